// contracts/README.md, held to the interface (one `call MODULE FUNCTION ARGUMENTS` for each entry function) and to the tests.

/** What is missing or wrong in the README's commands, as sentences. */
export function undocumented(described, readme) {
    const written = commands(readme);
    const entries = Object.entries(described).flatMap(([module, { functions }]) =>
        Object.entries(functions).filter(([, { entry }]) => entry).map(([name, { parameters }]) => [`${module} ${name}`, parameters]),
    );
    const known = new Set(entries.map(([name]) => name));
    return [
        ...entries.flatMap(([name, parameters]) => wrong(name, parameters, written.get(name))),
        ...[...written.keys()].filter((name) => !known.has(name)).map((name) => `README.md: there is no entry function \`${name}\``),
    ];
}

/** Tests that the README names and `files` (path → text) does not have, as sentences. */
export function missingTests(files, readme) {
    const named = [...readme.matchAll(/`(\w+_tests)::(\w+)`/g)];
    return named
        .filter(([, module, name]) => !new RegExp(`\\bfun ${name}\\(`).test(files[`tests/${module}.move`] ?? ''))
        .map(([, module, name]) => `README.md: there is no test ${module}::${name}`);
}

function wrong(name, parameters, given) {
    if (given === undefined) return [`README.md has no \`call ${name} …\``];
    const wanted = parameters.filter((type) => !type.endsWith('0x2::tx_context::TxContext')).length;
    return given === wanted ? [] : [`README.md: \`call ${name}\` has ${given} arguments, not ${wanted}`];
}

/** `module function` → how many arguments are given. */
function commands(readme) {
    const lines = readme.replaceAll(/\\\n\s*/g, '').split('\n');
    const calls = lines.map((line) => /^call (\w+) +(\w+) *(.*)$/.exec(line)).filter((call) => call !== null);
    return new Map(calls.map(([, module, name, rest]) => [`${module} ${name}`, (rest.match(/'[^']*'|[^\s']+/g) ?? []).length]));
}
