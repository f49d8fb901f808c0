use super::{Services, address};
use crate::execute::interface;
use crate::faults::shown::Shown;
use sui_rpc::proto::sui::rpc::v2::function_descriptor::Visibility;
use sui_rpc::proto::sui::rpc::v2::move_package_service_server::MovePackageService;
use sui_rpc::proto::sui::rpc::v2::open_signature::Reference;
use sui_rpc::proto::sui::rpc::v2::open_signature_body::Type;
use sui_rpc::proto::sui::rpc::v2::{self as proto, FunctionDescriptor, OpenSignature, OpenSignatureBody};
use sui_sdk_types::{Address, MovePackage, Object, ObjectData, TypeTag};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl MovePackageService for Services {
    async fn get_package(
        &self,
        request: Request<proto::GetPackageRequest>,
    ) -> Result<Response<proto::GetPackageResponse>, Status> {
        let id = address("package_id", request.into_inner().package_id.as_deref())?;
        let (object, _) = package(&self.shown()?, id)?;
        let mut package = proto::Object::from(object).package.unwrap_or_default();
        package.storage_id = Some(id.to_string());
        package.original_id = Some(id.to_string());
        package.version = Some(1);
        let mut response = proto::GetPackageResponse::default();
        response.package = Some(package);
        Ok(Response::new(response))
    }

    async fn get_function(
        &self,
        request: Request<proto::GetFunctionRequest>,
    ) -> Result<Response<proto::GetFunctionResponse>, Status> {
        let request = request.into_inner();
        let id = address("package_id", request.package_id.as_deref())?;
        package(&self.shown()?, id)?;
        let (module, name) = (request.module_name(), request.name());
        let function = &interface()[module]["functions"][name];
        if function.is_null() {
            return Err(Status::not_found(format!("{id}::{module}::{name} not found")));
        }
        let mut response = proto::GetFunctionResponse::default();
        response.function = Some(descriptor(name, function, id));
        Ok(Response::new(response))
    }
}

fn package(shown: &Shown, id: Address) -> Result<(Object, MovePackage), Status> {
    let object = shown.object(id)?.ok_or_else(|| Status::not_found(format!("package {id} not found")))?;
    match object.data() {
        ObjectData::Package(package) => Ok((object.clone(), package.clone())),
        ObjectData::Struct(_) => Err(Status::invalid_argument(format!("{id} is not a package"))),
    }
}

fn descriptor(name: &str, function: &serde_json::Value, package: Address) -> FunctionDescriptor {
    let types = |key: &str| {
        let texts = function[key].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        texts.filter_map(|text| signature(text, package)).collect()
    };
    let visibility = match function["visibility"].as_str() {
        Some("public") => Visibility::Public,
        Some("friend") => Visibility::Friend,
        _ => Visibility::Private,
    };
    let mut descriptor = FunctionDescriptor::default()
        .with_name(name)
        .with_is_entry(function["entry"].as_bool().unwrap_or_default())
        .with_visibility(visibility);
    descriptor.parameters = types("parameters");
    descriptor.returns = types("returns");
    descriptor
}

fn signature(text: &str, package: Address) -> Option<OpenSignature> {
    let mut signature = OpenSignature::default();
    let rest = if let Some(rest) = text.strip_prefix("&mut ") {
        signature.set_reference(Reference::Mutable);
        rest
    } else if let Some(rest) = text.strip_prefix('&') {
        signature.set_reference(Reference::Immutable);
        rest
    } else {
        text
    };
    let tag: TypeTag = rest.replace("0x0::", &format!("{package}::")).parse().ok()?;
    signature.body = Some(body(&tag));
    Some(signature)
}

fn body(tag: &TypeTag) -> OpenSignatureBody {
    let mut message = OpenSignatureBody::default();
    message.set_type(match tag {
        TypeTag::Address | TypeTag::Signer => Type::Address,
        TypeTag::Bool => Type::Bool,
        TypeTag::U8 => Type::U8,
        TypeTag::U16 => Type::U16,
        TypeTag::U32 => Type::U32,
        TypeTag::U64 => Type::U64,
        TypeTag::U128 => Type::U128,
        TypeTag::U256 => Type::U256,
        TypeTag::Vector(_) => Type::Vector,
        TypeTag::Struct(_) => Type::Datatype,
    });
    match tag {
        TypeTag::Vector(element) => message.type_parameter_instantiation = vec![body(element)],
        TypeTag::Struct(tag) => {
            message.type_name = Some(format!("{}::{}::{}", tag.address(), tag.module(), tag.name()));
            message.type_parameter_instantiation = tag.type_params().iter().map(body).collect();
        }
        _ => {}
    }
    message
}
