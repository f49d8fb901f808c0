// Builds and tests the Move package with the real compiler and VM (WASM), offline but for npm and cargo:
//   node contracts/tools/move.mjs build | test | check
// Needs `npm ci` in this folder first.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeInterface } from './interface.mjs';
import { checkVectors } from './vectors.mjs';

const tools = path.dirname(fileURLToPath(import.meta.url));
const packageDir = path.join(tools, '..', 'k3s_daas');
const outputs = { compiled: path.join(packageDir, 'compiled.json'), interface: path.join(packageDir, 'interface.json') };

class Failure extends Error {}

const commands = { build, test, check };

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

/** Runs the unit tests; sees that they assert every vector and expect every error. */
async function test() {
    const { testMovePackage, input } = await builder();
    const result = await testMovePackage(input);
    if ('error' in result) throw new Failure(result.error);
    const output = result.output.replaceAll(/\x1b\[[0-9;]*m/g, '').trimEnd();
    console.log(output);
    const count = (verdict) => (output.match(new RegExp(`^\\[ ${verdict} +\\]`, 'gm')) ?? []).length;
    const [passed, failed] = [count('PASS'), count('FAIL') + count('TIMEOUT')];
    const problems = [...checkVectors(packageDir), ...untestedErrors(input.files)];
    for (const problem of problems) console.error(problem);
    console.log(`${passed} passed, ${failed} failed`);
    if (!result.passed || failed > 0 || passed === 0) throw new Failure('Move tests failed');
    if (problems.length > 0) throw new Failure('the tests do not hold what they should');
}

/** Errors that no test expects, as sentences. */
function untestedErrors(files) {
    const tests = Object.entries(files).filter(([name]) => name.startsWith('tests/')).map(([, text]) => text).join('');
    const described = JSON.parse(fs.readFileSync(outputs.interface, 'utf8'));
    return Object.entries(described)
        .flatMap(([module, { errors }]) => Object.keys(errors).map((error) => `${module}::${error}`))
        .filter((error) => !tests.includes(`expected_failure(abort_code = ${error})`))
        .map((error) => `no test expects ${error}`);
}

/** Fails if the checked-in outputs are not what the compiler makes now. */
async function check() {
    const made = await compile();
    const stale = Object.entries(outputs).filter(
        ([name, file]) => !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== made[name],
    );
    const names = stale.map(([, file]) => path.basename(file)).join(' and ');
    if (stale.length > 0) {
        throw new Failure(`${names} differ from what the compiler makes of sources/: run \`node contracts/tools/move.mjs build\``);
    }
    console.log(`compiled.json and interface.json are current, digest ${JSON.parse(made.compiled).digest}`);
}

/** Compiles with every lint; a warning is an error. Returns the two files' texts. */
async function compile() {
    const { dumpMovePackage, input } = await builder();
    const result = await dumpMovePackage(input);
    if ('error' in result) throw new Failure(result.error);
    if (result.warnings) throw new Failure(`the compiler warns:\n${result.warnings}`);
    const parts = result.modules.map((code) => describeInterface(code)).sort((a, b) => (a.module < b.module ? -1 : 1));
    const compiled = {
        digest: Buffer.from(result.digest).toString('hex'),
        dependencies: result.dependencies,
        modules: Object.fromEntries(parts.map(({ module, code }) => [module, code])),
    };
    const described = Object.fromEntries(parts.map(({ module, functions, structs, errors }) => [module, { functions, structs, errors }]));
    return { compiled: json(compiled), interface: json(described) };
}

/** The compiler, and the package as its input. The framework's sources come from a crate, never from the network. */
async function builder() {
    const { MovePackageFetcher, ...rest } = await import('@zktx.io/sui-move-builder/full').catch((cause) => {
        throw new Failure(`the Move compiler is not installed: run \`npm ci\` in ${tools} (${cause.message})`);
    });
    await rest.initMovePackageBuilder();
    const framework = frameworkSources();
    const fetcher = new (class extends MovePackageFetcher {
        async fetch(_repository, _revision, subfolder) {
            const name = path.basename(subfolder ?? '');
            if (name !== 'move-stdlib' && name !== 'sui-framework') throw new Failure(`no dependency ${subfolder}`);
            return moveFiles(path.join(framework, name));
        }
        async fetchFile() {
            return null;
        }
        // The framework has a fixed address, so its revision does not reach the bytecode.
        getResolvedSha() {
            return '0'.repeat(40);
        }
    })();
    const input = { files: moveFiles(packageDir), network: 'testnet', lintFlag: 'all', fetcher };
    return { ...rest, input };
}

/** Where cargo keeps the Move sources that the crate `moverox-sui` carries; fetched, with their checksum, if need be. */
function frameworkSources() {
    const manifest = path.join(tools, 'framework', 'Cargo.toml');
    const args = ['metadata', '--quiet', '--format-version', '1', '--locked', '--manifest-path', manifest];
    const run = (stderr, ...extra) =>
        execFileSync('cargo', [...args, ...extra], { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', stderr] });
    let text;
    try {
        text = run('ignore', '--offline');
    } catch {
        console.error("fetching the framework's Move sources with cargo");
        text = run('inherit');
    }
    const found = JSON.parse(text).packages.find(({ name }) => name === 'moverox-sui');
    if (!found) throw new Failure(`${manifest} does not depend on moverox-sui`);
    return path.join(path.dirname(found.manifest_path), 'move');
}

/** Path → text of every .move and .toml file below `folder`, sorted. */
function moveFiles(folder) {
    const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(move|toml)$/.test(name));
    return Object.fromEntries(names.sort().map((name) => [name, fs.readFileSync(path.join(folder, name), 'utf8')]));
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
