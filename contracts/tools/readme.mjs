// contracts/README.md, held to the interface (one `call MODULE FUNCTION ARGUMENTS` for each entry function, one `--move-call`
// for each public function that a master must call) and to the tests.

/** What the README calls each object, and what it is. Whatever else stands in a command is a value. */
const OBJECTS = {
    C: '0x0::cluster::Cluster',
    R: '0x0::registry::Registry',
    N: '0x0::nautilus::Nautilus',
    A: '0x0::k8s_gateway::AuditAnchors',
    S: '0x0::position::StakePosition',
    Q: '0x0::k8s_gateway::K8sRequest',
    ADMIN_CAP: '0x0::caps::AdminCap',
    PROPOSER_CAP: '0x0::caps::ProposerCap',
    JUDGE_CAP: '0x0::caps::JudgeCap',
    COIN: '0x2::coin::Coin<0x2::sui::SUI>',
    document: '0x2::nitro_attestation::NitroAttestationDocument',
    '0x6': '0x2::clock::Clock',
    '0xd': '0x2::display_registry::DisplayRegistry',
};
/** Types that a command gives as a value. */
const VALUE = /^(bool|u8|u16|u32|u64|address|vector<.+>|0x1::string::String|0x2::object::ID|0x1::option::Option<.+>)$/;

/** What is missing or wrong in the README's commands, as sentences. */
export function undocumented(described, readme) {
    const written = commands(readme);
    const functions = Object.entries(described).flatMap(([module, { functions }]) =>
        Object.entries(functions).map(([name, rest]) => ({ name: `${module} ${name}`, ...rest })),
    );
    const called = functions.filter(({ entry, parameters }) => entry || changes(parameters));
    const known = new Set(called.map(({ name }) => name));
    return [
        ...called.flatMap(({ name, parameters }) => wrong(name, parameters, written.get(name))),
        ...[...written.keys()].filter((name) => !known.has(name)).map((name) => `README.md: nobody can call \`${name}\``),
    ];
}

/** Tests that the README names and `files` (path → text) does not have, as sentences. */
export function missingTests(files, readme) {
    const named = [...readme.matchAll(/`(\w+_tests)::(\w+)`/g)];
    return named
        .filter(([, module, name]) => !new RegExp(`#\\[test\\b[^\\]]*\\]\\s*fun ${name}\\(`).test(files[`tests/${module}.move`] ?? ''))
        .map(([, module, name]) => `README.md: there is no test ${module}::${name}`);
}

/** Numbers of states that the README has otherwise than `files` (path → text), as sentences. */
export function wrongStates(files, readme) {
    const sources = Object.entries(files).filter(([name]) => name.startsWith('sources/')).map(([, text]) => text).join('\n');
    const stated = [...readme.matchAll(/^On chain: ([^.]*)\./gm)].flatMap(([, list]) => list.split(', '));
    const wrong = stated.filter((state) => {
        const [, number, name] = /^(\d+) (\w+)$/.exec(state) ?? [];
        return !new RegExp(`\\bconst ${name}: u8 = ${number};`).test(sources);
    });
    return wrong.map((state) => `README.md: there is no state "${state}"`);
}

/** Whether a public function takes an object of the package to change it: its callers must be told how. */
function changes(parameters) {
    return parameters.some((type) => type.startsWith('&mut 0x0::'));
}

function wrong(name, parameters, given) {
    if (given === undefined) return [`README.md has no \`call ${name} …\``];
    const wanted = parameters.filter((type) => !type.endsWith('0x2::tx_context::TxContext'));
    if (given.length !== wanted.length) return [`README.md: \`${name}\` has ${given.length} arguments, not ${wanted.length}`];
    return wanted
        .map((type, index) => [type.replace(/^&(mut )?/, ''), given[index]])
        .filter(([type, argument]) => (VALUE.test(type) ? argument in OBJECTS : OBJECTS[argument] !== type))
        .map(([type, argument]) => `README.md: \`${name}\` takes ${type}, not ${argument}`);
}

/** `module function` → the arguments given: of `call …`, and of `--move-call P::…` in a `sui client ptb`. */
function commands(readme) {
    const lines = readme.replaceAll(/\\\n\s*/g, '').split('\n');
    const calls = lines.map((line) => /^call (\w+) +(\w+) *(.*)$/.exec(line)).filter((call) => call !== null);
    const steps = lines.filter((line) => line.startsWith('sui client ptb ')).flatMap((line) => line.split(/ --(?=[a-z])/));
    const moves = steps.map((step) => /^move-call P::(\w+)::(\w+) *(.*)$/.exec(step)).filter((step) => step !== null);
    return new Map([...calls, ...moves].map(([, module, name, rest]) => [`${module} ${name}`, words(rest)]));
}

/** Words as a shell has them, without quotes and without the `@` of addresses in a `sui client ptb`. */
function words(text) {
    return (text.match(/'[^']*'|[^\s']+/g) ?? []).map((word) => word.replaceAll("'", '').replace(/^@/, ''));
}
