// Builds and tests the Move package with the real compiler and VM:
//   node contracts/tools/move.mjs build | test | check | vectors | freeze
// Needs `npm ci` in this folder first.

import fs from 'node:fs';
import path from 'node:path';
import { compileModules, Failure, packageDir, packageFiles, runTests, TEST_EDITION, withEdition } from './compiler.mjs';
import { errorCoverage } from './coverage.mjs';
import { incompatibilities } from './frozen.mjs';
import { describeInterface } from './interface.mjs';
import { missingTests, undocumented, wrongStates } from './readme.mjs';
import { signaturesAreCurrent } from './signatures.mjs';
import { checkVectors, writeVectors } from './vectors.mjs';

const outputs = { compiled: path.join(packageDir, 'compiled.json'), interface: path.join(packageDir, 'interface.json') };
const readme = path.join(packageDir, '..', 'README.md');
const frozenFile = path.join(packageDir, '..', 'frozen', 'compiled.json');
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

/** Runs the unit tests; sees that they expect every error and assert every vector. Prints what did not pass, and counts. */
async function test() {
    const files = packageFiles();
    const { passed: allPassed, output } = await runTests(files);
    const verdicts = output.split('\n').filter((line) => /^\[ (PASS|FAIL|TIMEOUT) +\]/.test(line));
    const passed = verdicts.filter((line) => line.startsWith('[ PASS')).length;
    const failed = verdicts.length - passed;
    const sound = allPassed && failed === 0 && passed > 0;
    const warned = /^(warning|error)/m.test(output);
    if (!sound || warned) console.log(output.replaceAll(/^\[ PASS .*\n/gm, ''));
    console.log(`Move tests: ${passed} passed, ${failed} failed`);
    if (!sound) throw new Failure('Move tests failed');
    if (warned) throw new Failure('the compiler warns of the tests');

    const described = JSON.parse((await compile()).interface);
    const { count: errors, untested, vague } = errorCoverage(described, files);
    const covered = errors - untested.length;
    console.log(`abort codes: ${covered} of ${errors} covered by named tests, ${Math.floor((100 * covered) / errors)} %`);
    fail([
        ...untested.map((error) => `no test expects ${error}`),
        ...vague.map((name) => `${name} does not say which error it expects`),
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
    const { made, described, problems } = await inspect();
    fail([...problems, ...broken(described)]);
    const digest = digestOf(made.compiled);
    const frozen = digestOf(fs.readFileSync(frozenFile, 'utf8'));
    console.log(`bytecode: compiled.json and interface.json are current, digest ${digest}`);
    console.log(frozen === digest ? 'frozen: this bytecode' : `frozen: ${frozen}, which an upgrade to this bytecode keeps`);
    console.log('README.md: every call is in it, every test and every state it names exists');
}

/** Freezes the bytecode as it is now: upgrades must keep its interface. What is frozen is replaced only by what keeps it. */
async function freeze() {
    const { made, described, problems } = await inspect();
    fail([...problems, ...(fs.existsSync(frozenFile) ? broken(described) : [])]);
    fs.mkdirSync(path.dirname(frozenFile), { recursive: true });
    fs.writeFileSync(frozenFile, made.compiled);
    console.log(`frozen: digest ${digestOf(made.compiled)}`);
}

/** What the compiler makes now, and what is wrong with the rest of what is checked in, but for what is frozen. */
async function inspect() {
    const made = await compile();
    const described = JSON.parse(made.interface);
    const stale = Object.entries(outputs)
        .filter(([name, file]) => !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== made[name])
        .map(([, file]) => `${path.basename(file)} is not what the compiler makes of sources/: run \`node contracts/tools/move.mjs build\``);
    const tested = await compileModules(withEdition(packageFiles(), TEST_EDITION));
    const same = Buffer.from(tested.digest).toString('hex') === digestOf(made.compiled);
    const other = same ? [] : ['the edition of the tests makes other bytecode'];
    const [text, files] = [fs.readFileSync(readme, 'utf8'), packageFiles()];
    const unlike = [...undocumented(described, text), ...missingTests(files, text), ...wrongStates(files, text)];
    return { made, described, problems: [...stale, ...other, ...unlike] };
}

/** What an upgrade from the frozen bytecode would break. */
function broken(described) {
    if (!fs.existsSync(frozenFile)) return ['nothing is frozen: run `node contracts/tools/move.mjs freeze`'];
    const { modules } = JSON.parse(fs.readFileSync(frozenFile, 'utf8'));
    return incompatibilities(interfaceOf(Object.values(modules).map(describeInterface)), described);
}

function digestOf(compiled) {
    return JSON.parse(compiled).digest;
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
    return { compiled: json(compiled), interface: json(interfaceOf(parts)) };
}

function interfaceOf(parts) {
    return Object.fromEntries(parts.map(({ module, functions, structs, errors }) => [module, { functions, structs, errors }]));
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
