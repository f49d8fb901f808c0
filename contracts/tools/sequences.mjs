// Plays recorded sequences of calls in the real Move VM, as generated unit tests:
//   node contracts/tools/sequences.mjs sequences.json
// What was recorded of each call (objects passed, events, objects made), of the tables and of the purses must be what the
// VM does; and what was refused must abort there with the same code in the same module.

import { fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, packageDir, packageFiles, runTests } from './compiler.mjs';
import { emittedEvents, inOrder } from './emits.mjs';
import { playerFunction, playerSource } from './player.mjs';

/** The compiler's time grows faster than their number. */
const PER_PACKAGE = 50;
const PER_MODULE = 10;
const MAX_WORKERS = 2;
/** Differences that are shown. */
const SHOWN = 5;

/** Plays the packages of a file that fall to this worker, and tells the parent of each. */
async function work(file, first, step) {
    const sequences = read(file);
    for (let at = first * PER_PACKAGE; at < sequences.length; at += step * PER_PACKAGE) {
        const started = Date.now();
        const { tests, failures } = await play(sequences.slice(at, at + PER_PACKAGE));
        process.send({ at, tests, failures, ms: Date.now() - started });
    }
    process.disconnect();
}

/** Compiles and runs a package. Returns how many tests passed and what differed. */
async function play(sequences) {
    const { files, lines } = sources(sequences);
    const { output } = await runTests(files);
    const verdicts = [...output.matchAll(/^\[ (PASS|FAIL|TIMEOUT) +\] k3s_daas::(\w+)::(\w+)/gm)];
    const expected = sequences.reduce((sum, { refusals }) => sum + 1 + refusals.length, 0);
    if (verdicts.length !== expected) throw new Failure(`${verdicts.length} of ${expected} tests were run:\n${output.slice(0, 4000)}`);
    const failed = verdicts.filter(([, verdict]) => verdict !== 'PASS');
    return { tests: verdicts.length, failures: failed.map(([, verdict, module, name]) => explain(output, verdict, module, name, lines)) };
}

/** What the VM says of a failed test, and which calls that was. */
function explain(output, verdict, module, name, lines) {
    const said = output.split(`┌── ${name} `)[1]?.split('└─')[0] ?? '';
    const place = new RegExp(`${module}::s\\d+\\([^)]*:(\\d+)\\)`).exec(said) ?? new RegExp(`${module}\\.move:(\\d+)`).exec(said);
    const line = place ? Number(place[1]) : undefined;
    const near = line ? lines[module].slice(Math.max(0, line - 2), line).map((text) => text.trim().slice(0, 400)) : [];
    return [`${verdict} ${name}`, ...said.split('\n').slice(0, 12), ...near].join('\n    ');
}

/** The package with the tests in place of its own, and the lines of the generated modules. */
function sources(sequences) {
    const described = JSON.parse(fs.readFileSync(path.join(packageDir, 'interface.json'), 'utf8'));
    const calls = sequences.flatMap(({ steps }) => steps).filter(({ call }) => call);
    const events = [...new Set(calls.flatMap((call) => call.events))];
    const kinds = [...new Set(calls.flatMap((call) => call.made.map(({ kind }) => kind)))];
    const kept = ([name]) => !name.startsWith('tests/') || name === 'tests/nitro_documents.move';
    const files = Object.fromEntries(Object.entries(packageFiles()).filter(kept));
    files['tests/player.move'] = playerSource(described, events, kinds);
    const lines = {};
    for (let at = 0; at < sequences.length; at += PER_MODULE) {
        const module = `sequences_${sequences[at].name}`;
        const text = moduleSource(module, sequences.slice(at, at + PER_MODULE), events, kinds);
        files[`tests/${module}.move`] = text;
        lines[module] = text.split('\n');
    }
    return { files, lines };
}

function moduleSource(module, sequences, events, kinds) {
    const head = ['#[test_only]', `module k3s_daas::${module};`, '', 'use k3s_daas::player::{Self, run};', ''];
    return [...head, ...sequences.flatMap((sequence) => sequenceSource(sequence, events, kinds)), ''].join('\n');
}

function sequenceSource({ name, steps, books, refusals }, events, kinds) {
    const refused = (at) => refusals.flatMap(({ after, ...call }, index) => (after === at ? [`    if (stop == ${index + 1}) ${played(call)}`] : []));
    const { names, keys } = books;
    return [
        `fun ${name}(stop: u64) {`,
        '    let mut p = player::begin();',
        ...steps.flatMap((step, index) => [...refused(index), ...stepSource(step, events, kinds)]),
        ...refused(steps.length),
        ...books.clusters.map(({ cluster, seen }) => `    p.books(@${cluster}, vector[${names.map((it) => `b"${it}"`)}], vector[${keys.map((it) => `x"${it}"`)}], x"${seen}");`),
        ...books.purses.map(([holder, amount]) => `    p.purse(@${holder}, ${amount});`),
        '    p.end();',
        '    let _ = stop;',
        '}',
        `#[test]`,
        `fun ${name}_whole() { ${name}(0) }`,
        ...refusals.flatMap(({ error }, index) => [
            `#[test, expected_failure(abort_code = k3s_daas::${error})]`,
            `fun ${name}_refused_${index + 1}() { ${name}(${index + 1}) }`,
        ]),
    ];
}

function stepSource(step, events, kinds) {
    if (step.time) return [`    p.time(${step.time});`];
    if (step.version) return [`    p.version(@${step.version[0]}, ${step.version[1]});`];
    const [objects, told, shown] = step.seen.map((digest) => `x"${digest}"`);
    const list = (values) => `vector[${values.join(', ')}]`;
    const source = [`    ${played(step)}`, `    p.saw(${objects}, ${list(step.events.map((type) => events.indexOf(type)))}, ${told});`];
    const { made } = step;
    if (made.length === 0) return source;
    const parts = [made.map(({ kind }) => kinds.indexOf(kind)), made.map(({ id }) => `@${id}`), made.map(({ owner }) => `@${owner ?? '0x0'}`)];
    return [...source, `    p.made(${parts.map(list).join(', ')}, ${shown});`];
}

function played({ call, sender, args }) {
    return `p.${playerFunction(call)}(${[`@${sender}`, ...args].join(', ')});`;
}

/** Calls whose events came in another order than the function's code emits them. */
function misordered(sequences) {
    const { modules } = JSON.parse(fs.readFileSync(path.join(packageDir, 'compiled.json'), 'utf8'));
    const emitted = emittedEvents(modules);
    const wrong = ({ call, events }) => call && !inOrder(events, emitted(call));
    return sequences.flatMap(({ name, steps }) => steps.filter(wrong).map(({ call, events }) => `FAIL ${name}: ${call} does not emit ${events.join(', ')} in this order`));
}

function read(file) {
    return JSON.parse(fs.readFileSync(file, 'utf8')).sequences;
}

/** Divides the packages among workers, and says what came of them. */
async function main(file) {
    const sequences = read(file);
    const count = Math.min(MAX_WORKERS, os.availableParallelism(), Math.ceil(sequences.length / PER_PACKAGE));
    const [failures, totals] = [misordered(sequences), { tests: 0, packages: 0 }];
    const started = Date.now();
    const hear = ({ at, tests, failures: found, ms }) => {
        totals.tests += tests;
        totals.packages += 1;
        failures.push(...found);
        if (process.env.DAAS_VERBOSE) console.log(`package from ${at}: ${tests} tests, ${found.length} failed, ${ms} ms`);
    };
    const codes = await Promise.all(Array.from({ length: count }, (_, first) => worker(file, first, count, hear)));
    failures.sort().slice(0, SHOWN).forEach((failure) => console.error(failure));
    console.log(`${totals.tests} tests in ${totals.packages} packages, ${failures.length} failed, ${Math.round((Date.now() - started) / 1000)} s`);
    if (failures.length > 0 || totals.tests === 0 || codes.some((code) => code !== 0)) process.exitCode = 1;
}

function worker(file, first, step, hear) {
    const child = fork(fileURLToPath(import.meta.url), [file, String(first), String(step)]);
    child.on('message', hear);
    return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}

const [file, first, step] = process.argv.slice(2);
try {
    await (first === undefined ? main(file) : work(file, Number(first), Number(step)));
} catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
    process.disconnect?.();
}
