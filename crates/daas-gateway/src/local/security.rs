use crate::admit::{Identity, Kind, Permit, admit};
use crate::audit::Entry;
use crate::credential::Bearer;
use crate::refusal::Refusal;
use crate::request::{App, Context};
use daas_types::api::{AttestationRequest, CallerContext, SecurityContextResponse};
use daas_types::pop::Usage;
use http::HeaderMap;

/// What runs here, by its own word, and how old its knowledge of the chain is; with a token also as whom Kubernetes
/// would see the caller, decided as for any request.
pub(super) async fn context(
    app: &App,
    on: &Context,
    headers: &HeaderMap,
    entry: &mut Entry,
) -> Result<SecurityContextResponse, Refusal> {
    app.strangers.may_ask(on.info.peer.ip())?;
    let bearer = Bearer::from_headers(headers)?;
    let view = app.watch.view();
    let admitted = |bearer| {
        let caller = app.authenticate(on, &bearer, Usage::User, &view)?;
        entry.known(&caller);
        admit(&caller, &view)
    };
    let caller = bearer.map(admitted).transpose()?;
    let evidence = app.local.attest(&on.info, AttestationRequest::default(), true).await?;
    let age = view.now.since(view.snapshot.timestamp().unwrap_or_default());
    Ok(SecurityContextResponse {
        enclave_id: evidence.enclave_id,
        measurement: evidence.measurement,
        tee_type: evidence.tee_type,
        security_level: evidence.security_level,
        checkpoint: view.snapshot.checkpoint(),
        checkpoint_age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        caller: caller.as_ref().map(seen),
    })
}

fn seen(permit: &Permit) -> CallerContext {
    let identity = permit.identity();
    let (tier, account) = match permit.kind() {
        Kind::Person { tier } => (Some(tier.to_string()), String::new()),
        Kind::Node { .. } => (None, String::new()),
        Kind::ServiceAccount { namespace, name } => (None, format!("system:serviceaccount:{namespace}:{name}")),
    };
    CallerContext {
        user: identity.map_or(account, |identity| identity.user().to_owned()),
        uid: identity.and_then(Identity::uid).map(|uid| uid.to_string()),
        groups: identity.map(|identity| identity.groups().to_vec()).unwrap_or_default(),
        tier,
    }
}
