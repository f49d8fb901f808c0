//! Filters: any term matches if all its literals do.

use crate::ledger::StoredTransaction;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::{event_literal, transaction_literal};
use sui_sdk_types::{
    Address, Command, Event, ObjectIn, ObjectOut, Owner, TransactionEffects, TransactionKind, TypeTag,
};
use tonic::Status;

/// Terms of (negated, predicate).
pub(crate) struct Filter(Option<Vec<Vec<(bool, Predicate)>>>);

enum Predicate {
    Sender(Address),
    AffectedAddress(Address),
    AffectedObject(Address),
    /// package, module, function.
    MoveCall(Path),
    /// package, module.
    EmitModule(Path),
    /// address, module, name.
    EventType(Path),
    /// With type parameters.
    ExactType(TypeTag),
    PackageWrite,
    /// Authenticated event streams, which nothing here writes.
    Never,
}

struct Path {
    address: Address,
    names: Vec<String>,
}

// === impl Filter ===

impl Filter {
    pub(crate) fn events(filter: Option<&proto::EventFilter>) -> Result<Self, Status> {
        let Some(filter) = filter else {
            return Ok(Self(None));
        };
        let literal = |l: &proto::EventLiteral| {
            let predicate = l.predicate.as_ref().ok_or_else(empty)?;
            let predicate = match predicate {
                event_literal::Predicate::Sender(f) => Predicate::Sender(address(f.address.as_deref())?),
                event_literal::Predicate::EmitModule(f) => Predicate::EmitModule(path(f.module.as_deref(), 2)?),
                event_literal::Predicate::EventType(f) => event_type(f.event_type.as_deref())?,
                _ => Predicate::Never,
            };
            Ok((l.negated, predicate))
        };
        let terms = filter.terms.iter().map(|t| t.literals.iter().map(literal).collect());
        Ok(Self(Some(terms.collect::<Result<_, Status>>()?)))
    }

    pub(crate) fn transactions(filter: Option<&proto::TransactionFilter>) -> Result<Self, Status> {
        use transaction_literal::Predicate as P;
        let Some(filter) = filter else {
            return Ok(Self(None));
        };
        let literal = |l: &proto::TransactionLiteral| {
            let predicate = match l.predicate.as_ref().ok_or_else(empty)? {
                P::Sender(f) => Predicate::Sender(address(f.address.as_deref())?),
                P::AffectedAddress(f) => Predicate::AffectedAddress(address(f.address.as_deref())?),
                P::AffectedObject(f) => Predicate::AffectedObject(address(f.object_id.as_deref())?),
                P::MoveCall(f) => Predicate::MoveCall(path(f.function.as_deref(), 3)?),
                P::EmitModule(f) => Predicate::EmitModule(path(f.module.as_deref(), 2)?),
                P::EventType(f) => event_type(f.event_type.as_deref())?,
                P::PackageWrite(_) => Predicate::PackageWrite,
                _ => Predicate::Never,
            };
            Ok((l.negated, predicate))
        };
        let terms = filter.terms.iter().map(|t| t.literals.iter().map(literal).collect());
        Ok(Self(Some(terms.collect::<Result<_, Status>>()?)))
    }

    /// Whether everything passes.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn passes_event(&self, event: &Event) -> bool {
        self.passes(|p| p.holds_for_event(event))
    }

    pub(crate) fn passes_transaction(&self, transaction: &StoredTransaction) -> bool {
        self.passes(|p| p.holds_for_transaction(transaction))
    }

    fn passes(&self, holds: impl Fn(&Predicate) -> bool) -> bool {
        let term = |literals: &Vec<(bool, Predicate)>| literals.iter().all(|(negated, p)| holds(p) != *negated);
        self.0.as_ref().is_none_or(|terms| terms.iter().any(term))
    }
}

// === impl Predicate ===

impl Predicate {
    fn holds_for_event(&self, event: &Event) -> bool {
        match self {
            Self::Sender(sender) => event.sender == *sender,
            Self::EmitModule(path) => path.covers(event.package_id, &[event.module.as_str()]),
            Self::EventType(path) => {
                let tag = &event.type_;
                path.covers(*tag.address(), &[tag.module().as_str(), tag.name().as_str()])
            }
            Self::ExactType(tag) => *tag == TypeTag::from(event.type_.clone()),
            _ => false,
        }
    }

    fn holds_for_transaction(&self, stored: &StoredTransaction) -> bool {
        let transaction = &stored.signed.transaction;
        match self {
            Self::Sender(sender) => transaction.sender == *sender,
            Self::AffectedAddress(address) => {
                let parties = [transaction.sender, transaction.gas_payment.owner];
                parties.contains(address) || owners(&stored.effects).any(|o| o == *address)
            }
            Self::AffectedObject(id) => changed(&stored.effects).any(|c| c.object_id == *id),
            Self::MoveCall(path) => {
                calls(&transaction.kind).any(|c| path.covers(c.package, &[c.module.as_str(), c.function.as_str()]))
            }
            Self::PackageWrite => {
                changed(&stored.effects).any(|c| matches!(c.output_state, ObjectOut::PackageWrite { .. }))
            }
            Self::EmitModule(_) | Self::EventType(_) | Self::ExactType(_) => {
                stored.events.iter().flat_map(|events| &events.0).any(|e| self.holds_for_event(e))
            }
            Self::Never => false,
        }
    }
}

// === impl Path ===

impl Path {
    fn covers(&self, address: Address, names: &[&str]) -> bool {
        self.address == address && self.names.len() <= names.len() && self.names.iter().zip(names).all(|(a, b)| a == b)
    }
}

fn changed(effects: &TransactionEffects) -> impl Iterator<Item = &sui_sdk_types::ChangedObject> {
    let changes = match effects {
        TransactionEffects::V2(effects) => effects.changed_objects.as_slice(),
        TransactionEffects::V1(_) => &[],
    };
    changes.iter()
}

fn owners(effects: &TransactionEffects) -> impl Iterator<Item = Address> {
    changed(effects).flat_map(|c| {
        let before = match c.input_state {
            ObjectIn::Exist { owner: Owner::Address(owner), .. } => Some(owner),
            _ => None,
        };
        let after = match c.output_state {
            ObjectOut::ObjectWrite { owner: Owner::Address(owner), .. } => Some(owner),
            _ => None,
        };
        [before, after].into_iter().flatten()
    })
}

fn calls(kind: &TransactionKind) -> impl Iterator<Item = &sui_sdk_types::MoveCall> {
    let commands = match kind {
        TransactionKind::ProgrammableTransaction(ptb) => ptb.commands.as_slice(),
        _ => &[],
    };
    commands.iter().filter_map(|c| if let Command::MoveCall(call) = c { Some(call) } else { None })
}

fn event_type(text: Option<&str>) -> Result<Predicate, Status> {
    match text {
        Some(text) if text.contains('<') => {
            text.parse().map(Predicate::ExactType).map_err(|e| Status::invalid_argument(format!("filter: {e}")))
        }
        text => path(text, 3).map(Predicate::EventType),
    }
}

fn path(text: Option<&str>, most: usize) -> Result<Path, Status> {
    let mut parts = text.unwrap_or_default().split("::");
    let address = address(parts.next())?;
    let names: Vec<String> = parts.map(str::to_owned).collect();
    if names.len() >= most || names.iter().any(String::is_empty) {
        return Err(Status::invalid_argument(format!("filter: `{}` has the wrong parts", text.unwrap_or_default())));
    }
    Ok(Path { address, names })
}

fn address(text: Option<&str>) -> Result<Address, Status> {
    super::address("filter", text)
}

fn empty() -> Status {
    Status::invalid_argument("filter: a literal has no predicate")
}
