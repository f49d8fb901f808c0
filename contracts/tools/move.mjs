// Builds and tests the Move package with the real compiler and VM:
//   node contracts/tools/move.mjs build | test | check | vectors | freeze
// Needs `npm ci` in this folder first.

import fs from 'node:fs';
import path from 'node:path';
import { compileModules, Failure, packageDir, packageFiles, runTests, TEST_EDITION, withEdition } from './compiler.mjs';
import { errorCoverage } from './coverage.mjs';
import { incompatibilities } from './frozen.mjs';
import { describeInterface } from './interface.mjs';
import { missingTests, undocumented } from './readme.mjs';
import { signaturesAreCurrent } from './signatures.mjs';
import { checkVectors, writeVectors } from './vectors.mjs';

const outputs = { compiled: path.join(packageDir, 'compiled.json'), interface: path.join(packageDir, 'interface.json') };
const readme = path.join(packageDir, '..', 'README.md');
const frozenDir = path.join(packageDir, '..', 'frozen');
const commands = { build, test, check, vectors, freeze };

/** Writes compiled.json and interface.json. */
async function build() {
    const made = await compile();
    for (const [name, file] of Object.entries(outputs)) fs.writeFileSync(file, made[name]);
    const { digest, modules } = JSON.parse(made.compiled);
    console.log(`digest ${digest}`);
    for (const [name, code] of Object.entries(modules)) {
        console.log(`  ${name.padEnd(12)} ${Buffer.from(code, 'base64').length} bytes`);
    }
}

/** Runs the unit tests; sees that they expect every error and assert every vector. */
async function test() {
    const files = packageFiles();
    const { passed: allPassed, output } = await runTests(files);
    console.log(output);
    const count = (verdict) => (output.match(new RegExp(`^\\[ ${verdict} +\\]`, 'gm')) ?? []).length;
    const [passed, failed] = [count('PASS'), count('FAIL') + count('TIMEOUT')];
    console.log(`${passed} passed, ${failed} failed`);
    if (!allPassed || failed > 0 || passed === 0) throw new Failure('Move tests failed');
    if (/^(warning|error)/m.test(output)) throw new Failure('the compiler warns of the tests');

    const described = JSON.parse((await compile()).interface);
    const { count: errors, untested } = errorCoverage(described, files);
    console.log(`abort codes: ${errors - untested.length} of ${errors} covered`);
    fail([
        ...untested.map((error) => `no test expects ${error}`),
        ...checkVectors(described),
        ...(signaturesAreCurrent() ? [] : ['tests/signatures.move is not current: run `node contracts/tools/signatures.mjs`']),
    ]);
}

/** Writes vectors.json and tests/vectors.move anew. */
async function vectors() {
    const layouts = JSON.parse((await compile()).interface);
    console.log(`${await writeVectors(packageFiles(), layouts)} vectors`);
}

/** Fails if what is checked in is not what the compiler makes now, or breaks what is frozen, or is not documented. */
async function check() {
    const made = await compile();
    const described = JSON.parse(made.interface);
    const stale = Object.entries(outputs)
        .filter(([name, file]) => !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== made[name])
        .map(([, file]) => `${path.basename(file)} is not what the compiler makes of sources/: run \`node contracts/tools/move.mjs build\``);
    const tested = await compileModules(withEdition(packageFiles(), TEST_EDITION));
    const { digest } = JSON.parse(made.compiled);
    const other = Buffer.from(tested.digest).toString('hex') === digest ? [] : ['the edition of the tests makes other bytecode'];
    const text = fs.readFileSync(readme, 'utf8');
    fail([...stale, ...other, ...broken(described), ...undocumented(described, text), ...missingTests(packageFiles(), text)]);
    console.log(`compiled.json and interface.json are current, digest ${digest}`);
    console.log(fs.existsSync(frozenDir) ? 'the interface keeps what is frozen' : 'nothing is frozen');
}

/** Freezes the interface as it is now: upgrades must keep it. What is frozen is replaced only by what keeps it. */
async function freeze() {
    await check();
    fs.mkdirSync(frozenDir, { recursive: true });
    for (const file of Object.values(outputs)) fs.copyFileSync(file, path.join(frozenDir, path.basename(file)));
    console.log('frozen');
}

/** What an upgrade would break. */
function broken(described) {
    const file = path.join(frozenDir, path.basename(outputs.interface));
    if (!fs.existsSync(file)) return [];
    return incompatibilities(JSON.parse(fs.readFileSync(file, 'utf8')), described);
}

function fail(problems) {
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) throw new Failure(`${problems.length} problems`);
}

/** The texts of compiled.json and interface.json. */
async function compile() {
    const result = await compileModules(packageFiles());
    const parts = result.modules.map((code) => describeInterface(code)).sort((a, b) => (a.module < b.module ? -1 : 1));
    const compiled = {
        digest: Buffer.from(result.digest).toString('hex'),
        dependencies: result.dependencies,
        modules: Object.fromEntries(parts.map(({ module, code }) => [module, code])),
    };
    const described = Object.fromEntries(parts.map(({ module, functions, structs, errors }) => [module, { functions, structs, errors }]));
    return { compiled: json(compiled), interface: json(described) };
}

function json(value) {
    return `${JSON.stringify(value, null, 2)}\n`;
}

const command = commands[process.argv[2]];
if (!command || process.argv.length !== 3) {
    console.error(`usage: node contracts/tools/move.mjs ${Object.keys(commands).join('|')}`);
    process.exit(2);
}
try {
    await command();
} catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
}
