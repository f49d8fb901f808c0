// The Move compiler and VM (WASM), and the package as their input. Offline but for npm and cargo.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const tools = path.dirname(fileURLToPath(import.meta.url));
export const packageDir = path.join(tools, '..', 'k3s_daas');

/** `extend module`, with which tests make Nitro documents, needs it; the package is published as of `Move.toml`. */
export const TEST_EDITION = '2024.alpha';

/** What stops a command, said to its user. */
export class Failure extends Error {}

/** Compiles `files` with every lint; a warning is an error. */
export async function compileModules(files) {
    const { dumpMovePackage, input } = await builder(files);
    const result = await dumpMovePackage(input);
    if ('error' in result) throw new Failure(result.error);
    if (result.warnings) throw new Failure(`the compiler warns:\n${result.warnings}`);
    return result;
}

/** Runs the unit tests of `files`. Returns their output without colours, and whether all passed. */
export async function runTests(files) {
    const { testMovePackage, input } = await builder(withEdition(files, TEST_EDITION));
    const result = await testMovePackage(input);
    if ('error' in result) throw new Failure(result.error);
    return { passed: result.passed, output: result.output.replaceAll(/\x1b\[[0-9;]*m/g, '').trimEnd() };
}

/** The package's own files, by path. */
export function packageFiles() {
    return moveFiles(packageDir);
}

export function withEdition(files, edition) {
    return { ...files, 'Move.toml': files['Move.toml'].replace(/^edition = .*$/m, `edition = "${edition}"`) };
}

async function builder(files) {
    const { MovePackageFetcher, ...rest } = await import('@zktx.io/sui-move-builder/full').catch((cause) => {
        throw new Failure(`the Move compiler is not installed: run \`npm ci\` in ${tools} (${cause.message})`);
    });
    await rest.initMovePackageBuilder();
    const framework = frameworkSources();
    const fetcher = new (class extends MovePackageFetcher {
        async fetch(_repository, _revision, subfolder) {
            const name = path.basename(subfolder ?? '');
            if (name !== 'move-stdlib' && name !== 'sui-framework') throw new Failure(`no dependency ${subfolder}`);
            const files = moveFiles(path.join(framework, name));
            const declared = path.join('sources', 'display_registry.move');
            if (name !== 'sui-framework' || declared in files) return files;
            return { ...files, [declared]: fs.readFileSync(path.join(tools, 'framework', 'display_registry.move'), 'utf8') };
        }
        async fetchFile() {
            return null;
        }
        // The framework has a fixed address, so its revision does not reach the bytecode.
        getResolvedSha() {
            return '0'.repeat(40);
        }
    })();
    return { ...rest, input: { files, network: 'testnet', lintFlag: 'all', fetcher } };
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
