//! Types in `PascalCase`, fields in `snake_case`, enum values that carry the name of their enum.

use prost_types::FileDescriptorProto;

use super::{enums, messages};

pub(super) fn check(file: &FileDescriptorProto) -> Vec<String> {
    [check_messages(file), check_enums(file), check_services(file)].concat()
}

fn check_messages(file: &FileDescriptorProto) -> Vec<String> {
    let mut violations = Vec::new();
    for message in messages(file) {
        if !is_pascal_case(message.descriptor.name()) {
            violations.push(format!("message {}: a name in PascalCase", message.name));
        }
        let fields = message.descriptor.field.iter().map(prost_types::FieldDescriptorProto::name);
        let oneofs = message.descriptor.oneof_decl.iter().map(prost_types::OneofDescriptorProto::name);
        // The compiler makes a oneof named `_field` for each `optional` field.
        for name in fields.chain(oneofs.filter(|name| !name.starts_with('_'))) {
            if !is_snake_case(name) {
                violations.push(format!("field {}.{name}: a name in snake_case", message.name));
            }
        }
    }
    violations
}

fn check_enums(file: &FileDescriptorProto) -> Vec<String> {
    let mut violations = Vec::new();
    for found in enums(file) {
        let prefix = format!("{}_", upper_snake_case(found.descriptor.name()));
        let zero = format!("{prefix}UNSPECIFIED");
        if !found.descriptor.value.iter().any(|value| value.number() == 0 && value.name() == zero) {
            violations.push(format!("enum {}: its value 0 is {zero}", found.name));
        }
        let odd = found.descriptor.value.iter().filter(|value| !value.name().starts_with(&prefix));
        violations.extend(odd.map(|value| format!("value {}: starts with {prefix}", value.name())));
    }
    violations
}

fn check_services(file: &FileDescriptorProto) -> Vec<String> {
    let names = file.service.iter().flat_map(|service| {
        let methods = service.method.iter().map(|method| format!("{}.{}", service.name(), method.name()));
        methods.chain([service.name().to_owned()])
    });
    let odd = names.filter(|name| !name.split('.').all(is_pascal_case));
    odd.map(|name| format!("service {name}: a name in PascalCase")).collect()
}

fn is_pascal_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn upper_snake_case(pascal: &str) -> String {
    let mut name = String::new();
    for character in pascal.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}
