//! `docs/reference/worker-api.json`, made of the routes and of what the types really write.

use crate::api::routes::{ROUTES, Route};
use crate::api::types::{
    Config, Health, Metrics, RegisterResponse, Seal, StakeRequest, StakeResponse, Staking, StakingStatus, Step,
    Trouble, UnstakeResponse,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/worker-api.json");

/// The schema of values: every field of every one, and every type it has.
fn schema(values: &[Value]) -> Value {
    let mut kinds: Vec<&str> = values.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut schema = json!({ "type": if kinds.len() == 1 { json!(kinds[0]) } else { json!(kinds) } });
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(Value::as_object).collect();
    if let Some(first) = objects.first() {
        let fields = first.keys().map(|name| {
            let values: Vec<Value> = objects.iter().map(|object| object[name].clone()).collect();
            (name.clone(), self::schema(&values))
        });
        schema["properties"] = Value::Object(fields.collect());
        schema["required"] = first.keys().cloned().collect();
    }
    let items: Vec<Value> = values.iter().filter_map(Value::as_array).flatten().cloned().collect();
    if !items.is_empty() {
        schema["items"] = self::schema(&items);
    }
    schema
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn samples<T: Serialize>(values: &[T]) -> Value {
    schema(&values.iter().map(|value| serde_json::to_value(value).unwrap()).collect::<Vec<_>>())
}

fn text() -> String {
    "x".to_owned()
}

fn staking_status() -> StakingStatus {
    StakingStatus {
        is_staked: true,
        stake_amount: 1,
        stake_object_id: text(),
        seal_token: None,
        last_validation: 1,
        status: text(),
    }
}

fn staking(ordered: Option<u64>, seal: Option<Seal>, master: Option<String>, withdrawable_at: Option<u64>) -> Staking {
    Staking {
        node_id: text(),
        wallet_address: text(),
        stake_amount: 1,
        min_stake: 1,
        status: staking_status(),
        seal_token: None,
        contract_address: text(),
        last_heartbeat: 1,
        heartbeat_failures: 0,
        phase: text(),
        reason: text(),
        since: 1,
        history: vec![Step { at: 1, from: text(), to: text(), reason: text() }],
        trouble: ordered.map(|since| Trouble { doing: text(), reason: text(), cause: text(), since }),
        ordered,
        seal,
        master,
        frozen: 0,
        unbonding: 0,
        withdrawable_at,
    }
}

/// What a route is for, and the schema of its answer; plain text has none.
fn answer(route: Route) -> (&'static str, Option<Value>) {
    let seal = || Seal { id: text(), expires_at: 1 };
    let staked = |seal_token| StakeResponse { success: true, seal_token, expires_at: 1, permissions: vec![text()] };
    match route {
        Route::Health => (
            "How the node is; 503 unless it is healthy. Needs no token.",
            Some(samples(&[Health {
                status: text(),
                node_id: text(),
                staking_status: staking_status(),
                running_pods: 1,
                timestamp: 1,
            }])),
        ),
        Route::Staking => (
            "The stake, the Seal and where the worker stands.",
            Some(samples(&[staking(Some(1), Some(seal()), Some(text()), Some(1)), staking(None, None, None, None)])),
        ),
        Route::Stake => (
            "Stakes if there is no stake, and makes a Seal in place of the one in use. seal_token is told this once.",
            Some(samples(&[staked(Some(text())), staked(None)])),
        ),
        Route::Metrics => (
            "What the machine does.",
            Some(samples(&[Metrics {
                cpu_usage: 0.5,
                memory_usage: 0.5,
                pod_count: 1,
                container_count: 1,
                network_rx: 1,
                network_tx: 1,
                timestamp: 1,
            }])),
        ),
        Route::Prometheus => ("The same and more, for Prometheus.", None),
        Route::Config => (
            "The configuration, secrets masked.",
            Some(samples(&[Config { node_id: text(), runtime: text(), settings: [].into() }])),
        ),
        Route::Register => {
            ("Registers with the master once more.", Some(samples(&[RegisterResponse { status: text() }])))
        }
        Route::Unstake => (
            "Leaves the cluster and takes out the stake: unbonding, and later unstaked.",
            Some(samples(&[
                UnstakeResponse { status: text(), withdrawable_at: Some(1) },
                UnstakeResponse { status: text(), withdrawable_at: None },
            ])),
        ),
    }
}

fn stake_request() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "node_id": { "type": "string", "description": "Must be this node." },
            "stake_amount": { "type": ["string", "integer"], "description": "In MIST." },
            "duration": { "type": "integer", "description": "How long the Seal lives, in seconds." },
            "wallet": { "type": "string", "description": "Must be the worker's." },
        },
    })
}

fn operation(route: Route) -> Value {
    let (summary, schema) = answer(route);
    let content = match schema {
        Some(schema) => json!({ "application/json": { "schema": schema } }),
        None => json!({ "text/plain": { "schema": { "type": "string" } } }),
    };
    let refusal = json!({ "$ref": "#/components/responses/Refusal" });
    let mut operation = json!({
        "summary": summary,
        "responses": { "200": { "description": "Done.", "content": content }, "default": refusal },
    });
    match route {
        Route::Health => operation["security"] = json!([]),
        Route::Stake => {
            operation["requestBody"] = json!({ "content": { "application/json": { "schema": stake_request() } } });
        }
        _ => {}
    }
    operation
}

fn document() -> Value {
    let mut paths = Map::new();
    for (method, path, route) in ROUTES {
        let entry = paths.entry(*path).or_insert_with(|| json!({}));
        entry[method.to_ascii_lowercase()] = operation(*route);
    }
    let problem = daas_types::Problem::new(daas_types::ErrorCode::ApiTokenRefused, "the cause");
    let refusal = problem.status(hyper::StatusCode::UNAUTHORIZED.as_u16());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "k3s-daas-worker",
            "version": "v1",
            "description": "The machine owner's API. Amounts are in MIST, times in Unix seconds. Every refusal is a Status with a stable reason.",
        },
        "servers": [{ "url": "http://127.0.0.1:8080" }],
        "security": [{ "seal": [] }, { "certificate": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "seal": {
                "type": "http",
                "scheme": "bearer",
                "description": "The secret of the worker's own Seal; before the first one, the contents of the state folder's api-token. `/metrics` opens to the contents of metrics-token, too.",
            }, "certificate": {
                "type": "mutualTLS",
                "description": "A client certificate of an authority of `security.client_ca`; where that is set.",
            } },
            "responses": { "Refusal": {
                "description": "Refused.",
                "content": { "application/json": { "schema": schema(std::slice::from_ref(&refusal)), "example": refusal } },
            } },
        },
    })
}

#[test]
fn the_document_is_current() {
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PATH).unwrap(), text, "rewrite it with UPDATE_GOLDEN=1");
}

#[test]
fn the_request_has_the_documents_fields() {
    let schema = stake_request();
    let all = json!({ "node_id": "a", "stake_amount": "1", "duration": 1, "wallet": "0x1" });
    let (all, properties) = (all.as_object().unwrap(), schema["properties"].as_object().unwrap());
    assert_eq!(all.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>());
    let request: StakeRequest = serde_json::from_value(Value::Object(all.clone())).unwrap();
    // Whoever adds a field has to name it here.
    let StakeRequest { node_id, stake_amount, duration, wallet } = request;
    assert!(node_id.is_some() && stake_amount.is_some() && duration.is_some() && wallet.is_some());
    assert_eq!(schema["additionalProperties"], false);
    assert!(serde_json::from_value::<StakeRequest>(json!({ "more": 1 })).is_err());
}
