//! What masters may measure as, and which there are.

use super::Counter;
use crate::cli::chain::{EndorseArgs, MasterCommand, MeasurementCommand};
use crate::output::{done, one_line};
use crate::status_view::{ago, short, table};
use daas_chain::index::IndexIds;
use daas_chain::ops::{Ops, Pcrs, network_time};
use daas_types::onchain::{MasterRecord, MeasurementStatus, Policy};
use daas_types::{ErrorCode, PositionId, Problem, UnixMs};
use serde_json::json;

pub(super) async fn measurement(counter: &Counter<'_>, command: &MeasurementCommand) -> Result<(), Problem> {
    use MeasurementCommand as M;
    if matches!(command, M::List) {
        return measurements(counter).await;
    }
    let (ops, ids) = counter.clerk()?;
    let (what, pcr0, text, call) = match command {
        M::List => return Ok(()),
        M::Announce(args) => {
            let pcrs = Pcrs { pcr0: args.pcr0, pcr1: args.pcr1, pcr2: args.pcr2 };
            let text = "announced: `k3s-daas chain measurement activate` puts it in force once the delay is over";
            ("announce", args.pcr0, text, ops.announce_measurement(&ids, &pcrs))
        }
        M::Activate(args) => (
            "activate",
            args.pcr0,
            "in force: masters may register with it",
            ops.activate_measurement(&ids, &args.pcr0),
        ),
        M::Retire(args) => {
            ("retire", args.pcr0, "no more masters register with it", ops.retire_measurement(&ids, &args.pcr0))
        }
        M::Revoke(args) => {
            let text = "it is out, and every master that ran it";
            ("revoke", args.pcr0, text, ops.revoke_measurement(&ids, &args.pcr0))
        }
    };
    let pcr0 = hex::encode(pcr0);
    let what = format!("{what} measurement sha384:{}…", &pcr0[..16]);
    counter.settle(&what, call, text, json!({ "pcr0": pcr0 })).await
}

async fn measurements(counter: &Counter<'_>) -> Result<(), Problem> {
    let nautilus = counter.place.client.nautilus(&counter.place.ids()?).await?;
    let mut shown = table(&["PCR0", "state", "masters"]);
    for m in &nautilus.measurements {
        let masters = nautilus.masters.iter().filter(|master| master.pcr0 == m.pcr0).count();
        let until = match m.status {
            MeasurementStatus::Announced => format!(", from {} on", crate::commands::position::utc(m.active_from_ms)),
            MeasurementStatus::InForce | MeasurementStatus::Retired => String::new(),
        };
        shown.add_row([hex::encode(&m.pcr0), format!("{}{until}", m.status), masters.to_string()]);
    }
    counter.context.output.result(shown, &json!({ "measurements": nautilus.measurements }));
    Ok(())
}

pub(super) async fn master(counter: &Counter<'_>, command: &MasterCommand) -> Result<(), Problem> {
    match command {
        MasterCommand::List => list(counter).await,
        MasterCommand::Endorse(args) => endorse(counter, args).await,
        MasterCommand::Remove(args) => {
            let (ops, ids) = counter.clerk()?;
            let key = hex::encode(args.key);
            let what = format!("take the master with key {}… off the list", &key[..16]);
            let call = ops.remove_master(&ids, &args.key);
            counter.settle(&what, call, "it is no master any longer", json!({ "signing_key": key })).await
        }
    }
}

async fn endorse(counter: &Counter<'_>, args: &EndorseArgs) -> Result<(), Problem> {
    let (ops, ids) = counter.clerk()?;
    let position = match args.position {
        Some(position) => position,
        None => own(&ops, &ids).await?,
    };
    let key = hex::encode(args.key.key);
    let what = format!("answer for the master key {}… with position {}", &key[..16], short(&position.to_string()));
    let Some(outcome) = counter.send(&what, ops.endorse_master(&ids, position, &args.key.key)).await? else {
        return Ok(());
    };
    let text = format!("position {position} answers for key {key}; the master may register itself now");
    counter.sending.receipt(done(text), &outcome, json!({ "signing_key": key, "position": position }));
    Ok(())
}

/// The sender's position among the operator's.
async fn own(ops: &Ops, ids: &IndexIds) -> Result<PositionId, Problem> {
    for position in ops.client().cluster(ids).await?.operator_positions {
        let state = ops.client().position(ids, position).await?;
        if state.is_some_and(|state| state.owner == ops.sender()) {
            return Ok(position);
        }
    }
    let cause = format!("none of the operator's positions is of {}", ops.sender());
    Err(Problem::new(ErrorCode::MasterNotEndorsed, cause))
}

async fn list(counter: &Counter<'_>) -> Result<(), Problem> {
    let ids = counter.place.ids()?;
    let nautilus = counter.place.client.nautilus(&ids).await?;
    let policy = counter.place.client.cluster(&ids).await?.policy;
    let now = network_time(&counter.place.client).await?;
    let mut shown = table(&["endpoint", "key", "state", "position"]);
    for master in &nautilus.masters {
        let (key, position) = (hex::encode(&master.signing_key), short(&master.position.to_string()));
        shown.add_row([&one_line(&master.endpoint), &key, &standing(master, &policy, now), &position]);
    }
    for waiting in &nautilus.endorsements {
        let known = nautilus.masters.iter().any(|master| master.signing_key == waiting.signing_key);
        if !known {
            let (key, position) = (hex::encode(&waiting.signing_key), short(&waiting.position.to_string()));
            shown.add_row(["–", &key, "endorsed, not registered", &position]);
        }
    }
    let value = json!({ "masters": nautilus.masters, "endorsements": nautilus.endorsements });
    counter.context.output.result(shown, &value);
    Ok(())
}

fn standing(master: &MasterRecord, policy: &Policy, now: UnixMs) -> String {
    if master.is_current(policy, now) {
        format!("current; attests again within {}", ago(master.expires_ms.since(now)))
    } else if master.expires_ms <= now {
        format!("attestation ended {} ago", ago(now.since(master.expires_ms)))
    } else {
        format!("silent for {}", ago(now.since(master.heartbeat_ms)))
    }
}
