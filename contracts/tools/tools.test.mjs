// node --test contracts/tools/tools.test.mjs

import assert from 'node:assert/strict';
import test from 'node:test';
import { errorCoverage, expectedErrors, vagueTests } from './coverage.mjs';
import { incompatibilities } from './frozen.mjs';
import { missingTests, undocumented, wrongStates } from './readme.mjs';

const promised = () => ({
    money: {
        functions: {
            pay: { visibility: 'private', entry: true, type_parameters: 0, parameters: ['u64', '&mut 0x2::tx_context::TxContext'], returns: [] },
            owed: { visibility: 'public', entry: false, type_parameters: 0, parameters: ['&0x0::money::Debt'], returns: ['u64'] },
        },
        structs: { Debt: { abilities: ['store', 'key'], fields: [{ name: 'id', type: '0x2::object::UID' }, { name: 'sum', type: 'u64' }] } },
        errors: { ENothing: { code: 1 }, EOther: { code: 2 } },
    },
});

const broken = (change) => {
    const now = promised();
    change(now);
    return incompatibilities(promised(), now);
};

test('the same interface is compatible, and so is more of it', () => {
    assert.deepEqual(broken(() => {}), []);
    assert.deepEqual(
        broken(({ money }) => {
            money.functions.more = money.functions.owed;
            money.structs.More = money.structs.Debt;
            money.errors.EMore = { code: 3 };
        }),
        [],
    );
});

test('an entry function may change', () => {
    assert.deepEqual(broken(({ money }) => delete money.functions.pay), []);
});

test('whatever others link against may not', () => {
    const changes = [
        (now) => delete now.money,
        ({ money }) => delete money.functions.owed,
        ({ money }) => (money.functions.owed.visibility = 'private'),
        ({ money }) => money.functions.owed.parameters.push('u64'),
        ({ money }) => (money.functions.owed.returns = ['u128']),
        ({ money }) => (money.functions.owed.type_parameters = 1),
        ({ money }) => delete money.structs.Debt,
        ({ money }) => money.structs.Debt.abilities.pop(),
        ({ money }) => money.structs.Debt.fields.reverse(),
        ({ money }) => money.structs.Debt.fields.push({ name: 'new', type: 'u8' }),
        ({ money }) => (money.structs.Debt.fields[1].type = 'u128'),
        ({ money }) => (money.structs.Debt.fields[1].name = 'total'),
        ({ money }) => delete money.errors.ENothing,
        ({ money }) => (money.errors.EOther.code = 3),
    ];
    for (const change of changes) assert.equal(broken(change).length, 1, String(change));
});

test('expected errors are found in every spelling', () => {
    const text = `
        use k3s_daas::far as near;
        use k3s_daas::deep::{Self as shallow, Thing};
        #[test, expected_failure(abort_code = a::EOne)] fun one() {}
        #[test]
        #[expected_failure(
            abort_code = k3s_daas::b::ETwo,
        )]
        fun two() {}
        #[expected_failure(abort_code=near::EThree), test] fun three() {}
        #[test, expected_failure(abort_code = shallow::EFour)] fun four() {}
        // #[test, expected_failure(abort_code = a::ECommented)]
        #[test, expected_failure] fun any() { abort_code = a::ENoAttribute; }
    `;
    assert.deepEqual(expectedErrors(text), ['a::EOne', 'b::ETwo', 'far::EThree', 'deep::EFour']);
});

test('an error without a test is told', () => {
    const one = '#[test, expected_failure(abort_code = money::ENothing)] fun one() {}';
    const sources = { 'sources/money.move': '#[test, expected_failure(abort_code = money::EOther)]' };
    const found = errorCoverage(promised(), { 'tests/a.move': one, ...sources });
    assert.deepEqual(found, { count: 2, untested: ['money::EOther'], vague: [] });
});

test('a test that any failure would do for is told', () => {
    const text = `
        module k3s_daas::a_tests;
        #[test, expected_failure] fun any() {}
        #[test]
        #[expected_failure(abort_code = 7, location = k3s_daas::a)]
        fun number() {}
        #[test, expected_failure(abort_code = a::EOne)] fun one() {}
        #[test] #[expected_failure(abort_code = k3s_daas::b::ETwo)] fun two() {}
        // #[test, expected_failure] fun commented() {}
        #[test] fun none() {}
    `;
    assert.deepEqual(vagueTests(text), ['a_tests::any', 'a_tests::number']);
});

test('whatever can be called is in the README, with all arguments', () => {
    const of = (readme) => undocumented(promised(), readme);
    assert.deepEqual(of('call money pay SUM'), []);
    assert.deepEqual(of("call money  pay \\\n    '[1, 2]'"), []);
    assert.equal(of('').length, 1);
    assert.equal(of('call money pay').length, 1);
    assert.equal(of('call money pay SUM 0x6').length, 1);
    assert.equal(of('call money pay SUM\ncall money owed DEBT').length, 1);
});

test('objects are in their places in the commands of the README', () => {
    const described = {
        cluster: {
            functions: {
                set: { entry: true, parameters: ['&0x0::caps::AdminCap', '&mut 0x0::cluster::Cluster', 'u64', '&0x2::clock::Clock'] },
                join: { entry: false, parameters: ['&mut 0x0::cluster::Cluster', 'vector<u8>', '&mut 0x2::tx_context::TxContext'] },
                look: { entry: false, parameters: ['&0x0::cluster::Cluster'] },
            },
        },
    };
    const join = "\nsui client ptb \\\n  --assign x '1' \\\n  --move-call P::cluster::join @C 'vector[1]'";
    const of = (readme) => undocumented(described, readme);
    assert.deepEqual(of(`call cluster set ADMIN_CAP C COUNT 0x6${join}`), []);
    assert.equal(of('call cluster set ADMIN_CAP C COUNT 0x6').length, 1);
    assert.equal(of(`call cluster set C ADMIN_CAP COUNT 0x6${join}`).length, 2);
    assert.equal(of(`call cluster set ADMIN_CAP C 0x6 COUNT${join}`).length, 2);
    assert.equal(of(`call cluster set ADMIN_CAP S COUNT 0x6${join}`).length, 1);
});

test('a test that the README names exists', () => {
    const files = { 'tests/money_tests.move': '#[test]\nfun it_adds_up() {}\nfun it_adds() {}' };
    assert.deepEqual(missingTests(files, '`money_tests::it_adds_up`'), []);
    assert.equal(missingTests(files, '`money_tests::it_adds`').length, 1);
    assert.equal(missingTests(files, '`other_tests::it_adds_up`').length, 1);
});

test('states have the numbers that the README says', () => {
    const files = { 'sources/money.move': 'const OWED: u8 = 0;\nconst PAID: u8 = 1;' };
    assert.deepEqual(wrongStates(files, 'On chain: 0 OWED, 1 PAID. And more.'), []);
    assert.equal(wrongStates(files, 'On chain: 0 PAID, 1 OWED.').length, 2);
    assert.equal(wrongStates(files, 'On chain: 2 LOST.').length, 1);
});
