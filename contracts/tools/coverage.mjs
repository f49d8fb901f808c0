// Which of the package's errors the unit tests expect, by name.

/**
 * `described` is interface.json's content, `files` path → text. Returns how many errors there are, those that no test
 * expects, and the tests that expect a failure without saying which: any failure would do for them.
 */
export function errorCoverage(described, files) {
    const all = Object.entries(described).flatMap(([module, { errors }]) => Object.keys(errors).map((error) => `${module}::${error}`));
    const tests = Object.entries(files).filter(([name]) => name.startsWith('tests/')).map(([, text]) => text);
    const expected = new Set(tests.flatMap(expectedErrors));
    return { count: all.length, untested: all.filter((error) => !expected.has(error)), vague: tests.flatMap(vagueTests) };
}

/** `module::test` of each test whose `expected_failure` names no error. */
export function vagueTests(text) {
    const code = text.replaceAll(/\/\/.*$/gm, '');
    const [, module] = /\bmodule\s+k3s_daas::(\w+)/.exec(code) ?? [];
    return [...code.matchAll(/#\[([^\]]*)\]\s*(?:#\[[^\]]*\]\s*)*fun\s+(\w+)/g)]
        .filter(([attributes]) => /\bexpected_failure\b/.test(attributes) && !/\babort_code\s*=\s*(?:\w+\s*::\s*)+E\w+/.test(attributes))
        .map(([, , name]) => `${module}::${name}`);
}

/** `module::EName` of each attribute `expected_failure(…, abort_code = …)`, on one line or several, under any path or alias. */
export function expectedErrors(text) {
    const code = text.replaceAll(/\/\/.*$/gm, '');
    const aliases = moduleAliases(code);
    const attributes = [...code.matchAll(/#\[([^\]]*)\]/g)].map(([, attribute]) => attribute);
    return attributes
        .filter((attribute) => /\btest\b/.test(attribute) || /\bexpected_failure\b/.test(attribute))
        .flatMap((attribute) => [...attribute.matchAll(/\babort_code\s*=\s*(?:(?:\w+|0x\w+)\s*::\s*)?(\w+)\s*::\s*(E\w+)/g)])
        .map(([, module, error]) => `${aliases.get(module) ?? module}::${error}`);
}

/** `use k3s_daas::module as alias` and `use k3s_daas::module::{Self as alias, …}`. */
function moduleAliases(code) {
    const plain = [...code.matchAll(/\buse\s+k3s_daas::(\w+)\s+as\s+(\w+)/g)];
    const nested = [...code.matchAll(/\buse\s+k3s_daas::(\w+)::\{[^}]*\bSelf\s+as\s+(\w+)/g)];
    return new Map([...plain, ...nested].map(([, module, alias]) => [alias, module]));
}
