//! Rules for the `.proto` files, after buf's STANDARD set, so that clients in every language get fitting names. The
//! names of services follow DESIGN (`Publisher`) instead of ending in `Service`.

mod comments;
mod names;
mod rpcs;

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::assert_none;
use crate::protos::{self, CLOUD_EVENTS, PACKAGE};

#[test]
fn the_api_keeps_the_rules() {
    assert_none("proto files", &check(&protos::compile_api()));
}

#[test]
fn each_rule_catches_what_it_forbids() {
    let bad = check(&protos::compile_source(include_str!("proto_rules/bad.proto")));
    for expected in [
        "message bad_Message: a name in PascalCase",
        "field bad_Message.badField: a name in snake_case",
        "field Outer.Inner.BadField: a name in snake_case",
        "enum Colour: its value 0 is COLOUR_UNSPECIFIED",
        "value GREEN: starts with COLOUR_",
        "rpc Odd.Ask: takes an AskRequest",
        "rpc Odd.Ask: answers with an AskResponse",
        "rpc Odd.Tell: shares Outer with another rpc",
        "rpc Odd.Ask: a comment is missing",
        "message Outer: a comment is missing",
        "field Outer.Inner.BadField: a comment is missing",
        "value GREEN: a comment is missing",
    ] {
        assert!(bad.iter().any(|line| line.ends_with(expected)), "{expected} is not among {bad:#?}");
    }
    assert_eq!(check(&protos::compile_source(include_str!("proto_rules/good.proto"))), Vec::<String>::new());
}

fn check(api: &FileDescriptorSet) -> Vec<String> {
    let ours = |file: &&FileDescriptorProto| !file.package().starts_with("google.");
    let files: Vec<_> = api.file.iter().filter(ours).collect();
    let each = files.iter().flat_map(|file| {
        let found = [check_package(file), names::check(file), comments::check(file)].concat();
        found.into_iter().map(|violation| format!("{}: {violation}", file.name()))
    });
    each.chain(rpcs::check(&files)).collect()
}

fn check_package(file: &FileDescriptorProto) -> Vec<String> {
    let mut violations = Vec::new();
    if ![PACKAGE, CLOUD_EVENTS].contains(&file.package()) {
        violations.push(format!("package {}: the API is {PACKAGE}", file.package()));
    }
    if file.syntax() != "proto3" {
        violations.push("the syntax is proto3".to_owned());
    }
    violations
}

/// A message or an enum with its full name below the package and its place in the file.
struct Found<'a, T> {
    name: String,
    path: Vec<i32>,
    descriptor: &'a T,
}

/// Field numbers of `descriptor.proto`, of which the paths of source locations are made.
mod tag {
    pub(super) const FILE_MESSAGE: i32 = 4;
    pub(super) const FILE_ENUM: i32 = 5;
    pub(super) const FILE_SERVICE: i32 = 6;
    pub(super) const MESSAGE_FIELD: i32 = 2;
    pub(super) const MESSAGE_NESTED: i32 = 3;
    pub(super) const MESSAGE_ENUM: i32 = 4;
    pub(super) const ENUM_VALUE: i32 = 2;
    pub(super) const SERVICE_METHOD: i32 = 2;
}

/// Every message of a file, nested ones included; the entries of maps are not written by anyone.
fn messages(file: &FileDescriptorProto) -> Vec<Found<'_, DescriptorProto>> {
    let mut found = Vec::new();
    collect_messages("", &[tag::FILE_MESSAGE], &file.message_type, &mut found);
    found
}

fn collect_messages<'a>(
    scope: &str,
    path: &[i32],
    descriptors: &'a [DescriptorProto],
    found: &mut Vec<Found<'a, DescriptorProto>>,
) {
    for (index, descriptor) in indexed(descriptors) {
        if descriptor.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry) {
            continue;
        }
        let (name, path) = (format!("{scope}{}", descriptor.name()), [path, &[index]].concat());
        let nested = [path.as_slice(), &[tag::MESSAGE_NESTED]].concat();
        collect_messages(&format!("{name}."), &nested, &descriptor.nested_type, found);
        found.push(Found { name, path, descriptor });
    }
}

/// Every enum of a file, nested ones included.
fn enums(file: &FileDescriptorProto) -> Vec<Found<'_, EnumDescriptorProto>> {
    let top = indexed(&file.enum_type).map(|(index, descriptor)| Found {
        name: descriptor.name().to_owned(),
        path: vec![tag::FILE_ENUM, index],
        descriptor,
    });
    let nested = messages(file).into_iter().flat_map(|message| {
        indexed(&message.descriptor.enum_type).map(move |(index, descriptor)| Found {
            name: format!("{}.{}", message.name, descriptor.name()),
            path: [message.path.as_slice(), &[tag::MESSAGE_ENUM, index]].concat(),
            descriptor,
        })
    });
    top.chain(nested).collect()
}

fn indexed<T>(descriptors: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(descriptors)
}
