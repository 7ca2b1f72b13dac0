//! Everything that a client sees is explained where it is declared.

use std::collections::HashSet;

use prost_types::FileDescriptorProto;

use super::{enums, indexed, messages, tag};

pub(super) fn check(file: &FileDescriptorProto) -> Vec<String> {
    let commented = commented_places(file);
    let missing = declarations(file).into_iter().filter(|(_, path)| !commented.contains(path.as_slice()));
    missing.map(|(name, _)| format!("{name}: a comment is missing")).collect()
}

fn commented_places(file: &FileDescriptorProto) -> HashSet<&[i32]> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations
        .filter(|location| !location.leading_comments().trim().is_empty())
        .map(|location| location.path.as_slice())
        .collect()
}

/// What has to be explained, with its place.
fn declarations(file: &FileDescriptorProto) -> Vec<(String, Vec<i32>)> {
    let mut declarations = Vec::new();
    for message in messages(file) {
        for (index, field) in indexed(&message.descriptor.field) {
            let place = [message.path.as_slice(), &[tag::MESSAGE_FIELD, index]].concat();
            declarations.push((format!("field {}.{}", message.name, field.name()), place));
        }
        declarations.push((format!("message {}", message.name), message.path));
    }
    for found in enums(file) {
        for (index, value) in indexed(&found.descriptor.value).filter(|(_, value)| value.number() != 0) {
            let place = [found.path.as_slice(), &[tag::ENUM_VALUE, index]].concat();
            declarations.push((format!("value {}", value.name()), place));
        }
        declarations.push((format!("enum {}", found.name), found.path));
    }
    for (index, service) in indexed(&file.service) {
        let path = [tag::FILE_SERVICE, index];
        for (index, method) in indexed(&service.method) {
            let place = [path.as_slice(), &[tag::SERVICE_METHOD, index]].concat();
            declarations.push((format!("rpc {}.{}", service.name(), method.name()), place));
        }
        declarations.push((format!("service {}", service.name()), path.to_vec()));
    }
    declarations
}
