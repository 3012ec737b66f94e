//! What the chain stores and says, as JSON, by the types in its own metadata.
//!
//! | on the chain | in JSON |
//! |---|---|
//! | accounts | their SS58 address |
//! | bytes, hashes, keys | `0x` and hexadecimal digits |
//! | regions | their two letters |
//! | integers of up to 64 bits | numbers |
//! | wider integers, all amounts of money among them | strings of decimal digits |
//! | `None`, `Some(x)` | `null`, `x` |
//! | variants | their name, or an object of it where they have fields |
//! | structures, tuples, lists | objects, arrays, arrays |

use scale_info::form::PortableForm;
use scale_info::{PortableRegistry, TypeDef, TypeDefPrimitive};
use serde_json::{Map, Value as Json};
use subxt::Metadata;
use subxt::events::Event;
use subxt::ext::scale_decode::Field;
use subxt::ext::scale_value::{Composite, Primitive, Value, ValueDef, scale};
use subxt::storage::{Address, PrefixOf};
use subxt::utils::AccountId32;

use crate::{AtBlock, ChainError, Config};

/// A stored value as JSON, from its bytes and its type's number in the metadata.
///
/// # Errors
/// Returns an error if the bytes are not of this type.
pub fn stored(bytes: &[u8], type_id: u32, metadata: &Metadata) -> Result<Json, ChainError> {
    let types = metadata.types();
    let value = scale::decode_as_type(&mut &*bytes, type_id, types).map_err(undecodable)?;
    Ok(json(&value, types))
}

/// One stored value as JSON; `None` if nothing is stored and the type has no default.
///
/// # Errors
/// Returns an error if the node does not answer, or answers with something else.
pub async fn entry<A: Address>(
    at: &AtBlock,
    address: A,
    key: A::KeyParts,
) -> Result<Option<Json>, ChainError> {
    let Some(value) = at.storage().try_fetch(address, key).await? else { return Ok(None) };
    stored(value.bytes(), value.type_id(), at.metadata_ref()).map(Some)
}

/// All stored values whose keys begin with a prefix, with their keys.
///
/// # Errors
/// Returns an error if the node does not answer, or answers with something else.
pub async fn entries<A: Address, P: PrefixOf<A::KeyParts>>(
    at: &AtBlock,
    address: A,
    prefix: P,
) -> Result<Vec<(A::KeyParts, Json)>, ChainError> {
    let mut stream = at.storage().iter(address, prefix).await?;
    let mut found = Vec::new();
    while let Some(next) = stream.next().await {
        let next = next?;
        let value = next.value();
        found.push((next.key()?.decode()?, stored(value.bytes(), value.type_id(), at.metadata_ref())?));
    }
    Ok(found)
}

/// The fields of an event as JSON.
///
/// # Errors
/// Returns an error if they are not what the metadata says.
pub fn fields(event: &Event<'_, Config>, metadata: &Metadata) -> Result<Json, ChainError> {
    let types = metadata.types();
    let variant = metadata
        .pallet_by_event_index(event.pallet_index())
        .and_then(|pallet| pallet.event_variant_by_index(event.event_index()))
        .ok_or_else(|| {
            ChainError::Undecodable(format!("event {}.{}", event.pallet_name(), event.event_name()))
        })?;
    let mut fields = variant.fields.iter().map(|field| Field::new(field.ty.id, field.name.as_deref()));
    let mut bytes = event.field_bytes();
    let composite = scale::decode_as_fields(&mut bytes, &mut fields, types).map_err(undecodable)?;
    Ok(all(&composite, types))
}

fn undecodable(error: scale::DecodeError) -> ChainError {
    ChainError::Undecodable(error.to_string())
}

fn json(value: &Value<u32>, types: &PortableRegistry) -> Json {
    let ty = types.resolve(value.context);
    match (ty.and_then(|ty| ty.path.ident()).as_deref(), bytes(value, types)) {
        (Some("AccountId32"), Some(bytes)) => {
            if let Ok(account) = <[u8; 32]>::try_from(&*bytes) {
                return AccountId32(account).to_string().into();
            }
        }
        (Some("Region"), Some(letters)) if letters.is_ascii() => {
            return String::from_utf8_lossy(&letters).into_owned().into();
        }
        (_, Some(bytes)) => return hex(&bytes).into(),
        (_, None) => {}
    }
    match &value.value {
        ValueDef::Composite(Composite::Unnamed(fields)) if is_list(ty.map(|ty| &ty.type_def)) => {
            fields.iter().map(|field| json(field, types)).collect()
        }
        ValueDef::Composite(fields) => all(fields, types),
        ValueDef::Variant(variant) => match (variant.name.as_str(), variant.values.len()) {
            ("None", 0) => Json::Null,
            (name, 0) => name.into(),
            ("Some", 1) => all(&variant.values, types),
            (name, _) => Map::from_iter([(name.to_owned(), all(&variant.values, types))]).into(),
        },
        ValueDef::BitSequence(bits) => {
            bits.iter().map(|bit| if bit { '1' } else { '0' }).collect::<String>().into()
        }
        ValueDef::Primitive(primitive) => number(primitive, ty.map(|ty| &ty.type_def)),
    }
}

/// Fields: an object where they have names, the value itself where there is one, else an array.
fn all(fields: &Composite<u32>, types: &PortableRegistry) -> Json {
    match fields {
        Composite::Named(fields) => {
            Json::Object(fields.iter().map(|(name, value)| (name.clone(), json(value, types))).collect())
        }
        Composite::Unnamed(fields) => match &fields[..] {
            [one] => json(one, types),
            fields => fields.iter().map(|field| json(field, types)).collect(),
        },
    }
}

fn is_list(of: Option<&TypeDef<PortableForm>>) -> bool {
    matches!(of, Some(TypeDef::Sequence(_) | TypeDef::Array(_) | TypeDef::Tuple(_)))
}

/// The bytes of a list of bytes, or of a structure around nothing but one.
fn bytes(value: &Value<u32>, types: &PortableRegistry) -> Option<Vec<u8>> {
    let ValueDef::Composite(Composite::Unnamed(fields)) = &value.value else { return None };
    let element = match &types.resolve(value.context)?.type_def {
        TypeDef::Sequence(list) => list.type_param.id,
        TypeDef::Array(list) => list.type_param.id,
        TypeDef::Composite(_) if fields.len() == 1 => return bytes(&fields[0], types),
        _ => return None,
    };
    if !matches!(types.resolve(element)?.type_def, TypeDef::Primitive(TypeDefPrimitive::U8)) {
        return None;
    }
    fields
        .iter()
        .map(|field| match field.value {
            ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(byte).ok(),
            _ => None,
        })
        .collect()
}

fn number(primitive: &Primitive, of: Option<&TypeDef<PortableForm>>) -> Json {
    let wide = matches!(of, Some(TypeDef::Primitive(TypeDefPrimitive::U128 | TypeDefPrimitive::I128)));
    match primitive {
        Primitive::Bool(truth) => (*truth).into(),
        Primitive::Char(letter) => letter.to_string().into(),
        Primitive::String(text) => text.clone().into(),
        Primitive::U128(number) => match u64::try_from(*number) {
            Ok(number) if !wide => number.into(),
            _ => number.to_string().into(),
        },
        Primitive::I128(number) => match i64::try_from(*number) {
            Ok(number) if !wide => number.into(),
            _ => number.to_string().into(),
        },
        Primitive::U256(bytes) | Primitive::I256(bytes) => hex(bytes).into(),
    }
}

/// `0x` and hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use codec::Encode;
    use cyborg_account::keys;
    use cyborg_primitives::place::{Cell, Location, Region};
    use cyborg_primitives::task::ProofPolicy;
    use scale_info::{Registry, TypeInfo, meta_type};
    use serde_json::json;

    /// A value as JSON, by its own type's description.
    fn shown<T: Encode + TypeInfo + 'static>(value: &T) -> Json {
        let mut registry = Registry::new();
        let id = registry.register_type(&meta_type::<T>()).id;
        let types = PortableRegistry::from(registry);
        super::json(&scale::decode_as_type(&mut &value.encode()[..], id, &types).unwrap(), &types)
    }

    #[test]
    fn values_are_shown_as_the_table_says() {
        assert_eq!(shown(&7_u64), json!(7));
        assert_eq!(shown(&u64::MAX), json!(u64::MAX));
        assert_eq!(shown(&7_u128), json!("7"));
        assert_eq!(shown(&-7_i16), json!(-7));
        assert_eq!(shown(&[0_u8, 255]), json!("0x00ff"));
        assert_eq!(shown(&Vec::<u8>::new()), json!("0x"));
        assert_eq!(shown(&vec![1_u32]), json!([1]));
        assert_eq!(shown(&Vec::<u32>::new()), json!([]));
        assert_eq!(shown(&(1_u8, true)), json!([1, true]));
        assert_eq!(shown(&Option::<u8>::None), json!(null));
        assert_eq!(shown(&Some(3_u8)), json!(3));
        assert_eq!(shown(&Some([3_u8])), json!("0x03"));
        assert_eq!(shown(&ProofPolicy::OnDemand), json!("OnDemand"));
        assert_eq!(shown(&ProofPolicy::Sampled { samples: 2 }), json!({ "Sampled": { "samples": 2 } }));
        let location = Location { region: Region(*b"CH"), cell: Cell { latitude: 4737, longitude: -854 } };
        assert_eq!(
            shown(&location),
            json!({ "region": "CH", "cell": { "latitude": 4737, "longitude": -854 } })
        );
    }

    #[test]
    fn accounts_are_addresses() {
        #[derive(Encode, TypeInfo)]
        struct AccountId32([u8; 32]);
        let alice = keys::account(&keys::load("//Alice").unwrap());
        assert_eq!(shown(&AccountId32(alice)), json!("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"));
    }
}
