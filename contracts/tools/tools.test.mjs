// node --test contracts/tools/tools.test.mjs

import assert from 'node:assert/strict';
import test from 'node:test';
import { errorCoverage, expectedErrors } from './coverage.mjs';
import { incompatibilities } from './frozen.mjs';
import { missingTests, undocumented } from './readme.mjs';

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
    assert.deepEqual(errorCoverage(promised(), { 'tests/a.move': one, ...sources }), { count: 2, untested: ['money::EOther'] });
});

test('each entry function is called in the README, with all arguments', () => {
    const of = (readme) => undocumented(promised(), readme);
    assert.deepEqual(of('call money pay SUM'), []);
    assert.deepEqual(of("call money  pay \\\n    '[1, 2]'"), []);
    assert.equal(of('').length, 1);
    assert.equal(of('call money pay').length, 1);
    assert.equal(of('call money pay SUM 0x6').length, 1);
    assert.equal(of('call money pay SUM\ncall money owed DEBT').length, 1);
});

test('a test that the README names exists', () => {
    const files = { 'tests/money_tests.move': '#[test]\nfun it_adds_up() {}' };
    assert.deepEqual(missingTests(files, '`money_tests::it_adds_up`'), []);
    assert.equal(missingTests(files, '`money_tests::it_adds`').length, 1);
    assert.equal(missingTests(files, '`other_tests::it_adds_up`').length, 1);
});
