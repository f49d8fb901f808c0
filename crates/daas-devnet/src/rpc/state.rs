use super::{Services, address, page_size, read_mask, render};
use crate::execute::bcs_length;
use crate::faults::shown::Shown;
use crate::ledger::Holder;
use crate::objects::sui_balance;
use sui_rpc::field::FieldMaskTree;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::coin_treasury::SupplyState;
use sui_rpc::proto::sui::rpc::v2::dynamic_field::DynamicFieldKind;
use sui_rpc::proto::sui::rpc::v2::state_service_server::StateService;
use sui_sdk_types::{Address, Object, StructTag, TypeTag};
use tonic::{Request, Response, Status};

const SUI_DECIMALS: u32 = 9;
/// All SUI there can be: 10 billion.
const SUI_SUPPLY: u64 = 10_000_000_000_000_000_000;

#[tonic::async_trait]
impl StateService for Services {
    async fn list_owned_objects(
        &self,
        request: Request<proto::ListOwnedObjectsRequest>,
    ) -> Result<Response<proto::ListOwnedObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<proto::Object>(request.read_mask.as_ref(), "object_id,version,object_type")?;
        let owner = address("owner", request.owner.as_deref())?;
        let wanted: Option<StructTag> = match request.object_type.as_deref() {
            Some(text) => Some(text.parse().map_err(|e| Status::invalid_argument(format!("object_type: {e}")))?),
            None => None,
        };
        let shown = self.shown()?;
        let passes = |object: &Object| wanted.as_ref().is_none_or(|wanted| is_a(object, wanted));
        let page = page(&shown, Holder::Address(owner), request.page_token.as_deref(), request.page_size, passes)?;
        let mut response = proto::ListOwnedObjectsResponse::default();
        response.objects = page.objects.into_iter().map(|o| render::object(o, &mask)).collect();
        response.next_page_token = page.next;
        Ok(Response::new(response))
    }

    async fn list_dynamic_fields(
        &self,
        request: Request<proto::ListDynamicFieldsRequest>,
    ) -> Result<Response<proto::ListDynamicFieldsResponse>, Status> {
        let request = request.into_inner();
        let mask = read_mask::<proto::DynamicField>(request.read_mask.as_ref(), "parent,field_id")?;
        let parent = address("parent", request.parent.as_deref())?;
        let shown = self.shown()?;
        let page = page(&shown, Holder::Object(parent), request.page_token.as_deref(), request.page_size, |_| true)?;
        let mut response = proto::ListDynamicFieldsResponse::default();
        response.dynamic_fields = page.objects.into_iter().map(|o| field(parent, o, &mask)).collect();
        response.next_page_token = page.next;
        Ok(Response::new(response))
    }

    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let request = request.into_inner();
        let owner = address("owner", request.owner.as_deref())?;
        let coin_type = coin_type(request.coin_type.as_deref())?;
        let sum = if coin_type == StructTag::sui() { balance(&self.shown()?, owner)? } else { 0 };
        let mut response = proto::GetBalanceResponse::default();
        response.balance = Some(balance_of(&coin_type, sum));
        Ok(Response::new(response))
    }

    async fn list_balances(
        &self,
        request: Request<proto::ListBalancesRequest>,
    ) -> Result<Response<proto::ListBalancesResponse>, Status> {
        let owner = address("owner", request.into_inner().owner.as_deref())?;
        let sum = balance(&self.shown()?, owner)?;
        let mut response = proto::ListBalancesResponse::default();
        response.balances = (sum > 0).then(|| balance_of(&StructTag::sui(), sum)).into_iter().collect();
        Ok(Response::new(response))
    }

    async fn get_coin_info(
        &self,
        request: Request<proto::GetCoinInfoRequest>,
    ) -> Result<Response<proto::GetCoinInfoResponse>, Status> {
        let coin_type = coin_type(request.into_inner().coin_type.as_deref())?;
        if coin_type != StructTag::sui() {
            return Err(Status::not_found(format!("coin type {coin_type} not found")));
        }
        let metadata = proto::CoinMetadata::default().with_decimals(SUI_DECIMALS).with_name("Sui").with_symbol("SUI");
        let treasury =
            proto::CoinTreasury::default().with_total_supply(SUI_SUPPLY).with_supply_state(SupplyState::Fixed);
        let info = proto::GetCoinInfoResponse::default()
            .with_coin_type(coin_type.to_string())
            .with_metadata(metadata)
            .with_treasury(treasury);
        Ok(Response::new(info))
    }
}

struct Page {
    objects: Vec<Object>,
    next: Option<bytes::Bytes>,
}

/// One page of what `holder` holds; a page token is the last place of the page before.
fn page(
    shown: &Shown,
    holder: Holder,
    token: Option<&[u8]>,
    size: Option<u32>,
    passes: impl Fn(&Object) -> bool,
) -> Result<Page, Status> {
    let size = page_size(size);
    let (mut objects, mut last, mut more) = (Vec::new(), bytes::Bytes::new(), false);
    shown.held(holder, token.unwrap_or_default(), |place, id| {
        more = objects.len() == size;
        if !more {
            objects.extend(shown.object(id)?.filter(|o| passes(o)));
            last = bytes::Bytes::copy_from_slice(place);
        }
        Ok(!more)
    })?;
    Ok(Page { objects, next: more.then_some(last) })
}

/// Whether the object's type is `wanted`; without type parameters any will do.
fn is_a(object: &Object, wanted: &StructTag) -> bool {
    object.as_struct().map(sui_sdk_types::MoveStruct::object_type).is_some_and(|tag| {
        let same_name = (tag.address(), tag.module(), tag.name()) == (wanted.address(), wanted.module(), wanted.name());
        same_name && (wanted.type_params().is_empty() || tag.type_params() == wanted.type_params())
    })
}

/// A `Field<Name, Value>`: its id, its name, its value.
fn field(parent: Address, object: Object, mask: &FieldMaskTree) -> proto::DynamicField {
    let mut message = proto::DynamicField::default();
    if mask.contains("kind") {
        message.set_kind(DynamicFieldKind::Field);
    }
    if mask.contains("parent") {
        message.parent = Some(parent.to_string());
    }
    if mask.contains("field_id") {
        message.field_id = Some(object.object_id().to_string());
    }
    if let Some((name, value, value_type)) = parts(&object) {
        if mask.contains("name") {
            message.name = Some(name);
        }
        if mask.contains("value") {
            message.value = Some(value);
        }
        if mask.contains("value_type") {
            message.value_type = Some(value_type);
        }
    }
    if let Some(mask) = mask.subtree("field_object") {
        message.field_object = Some(render::object(object, &mask));
    }
    message
}

fn parts(object: &Object) -> Option<(proto::Bcs, proto::Bcs, String)> {
    let data = object.as_struct()?;
    let [name_type, value_type] = data.object_type().type_params() else {
        return None;
    };
    let rest = data.contents().get(Address::LENGTH..)?;
    let (name, value) = rest.split_at_checked(bcs_length(name_type, rest)?)?;
    let bcs = |tag: &TypeTag, bytes: &[u8]| {
        let mut bcs = proto::Bcs::from(bytes.to_vec());
        bcs.name = Some(tag.to_string());
        bcs
    };
    Some((bcs(name_type, name), bcs(value_type, value), value_type.to_string()))
}

fn balance(shown: &Shown, owner: Address) -> Result<u64, Status> {
    let coins = shown.held_objects(Holder::Address(owner))?;
    Ok(coins.iter().filter_map(sui_balance).fold(0, u64::saturating_add))
}

fn balance_of(coin_type: &StructTag, sum: u64) -> proto::Balance {
    proto::Balance::default()
        .with_coin_type(coin_type.to_string())
        .with_balance(sum)
        .with_coin_balance(sum)
        .with_address_balance(0)
}

fn coin_type(text: Option<&str>) -> Result<StructTag, Status> {
    let text = text.ok_or_else(|| Status::invalid_argument("coin_type is missing"))?;
    text.parse().map_err(|e| Status::invalid_argument(format!("coin_type: {e}")))
}
