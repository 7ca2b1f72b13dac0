//! The committed gRPC code is what the `.proto` files generate.
//!
//! `STANZABUS_REGENERATE=1 cargo test --workspace --test tidy generated` writes it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::assert_none;
use crate::protos::{self, CLOUD_EVENTS, PACKAGE};

/// Of our own package.
const GENERATED: &str = "bridges/grpc/src/generated";
/// Of CloudEvents, which more than one leg speaks.
const GENERATED_EVENTS: &str = "src/bus-cloudevents/src/generated";
/// Where the code of the first finds that of the second.
const EVENTS_MODULE: &str = "::bus_cloudevents::protobuf::v1";

/// Writes the code of a package into a folder.
type Generate = fn(FileDescriptorSet, &Path);

#[test]
fn generated_code_is_fresh() {
    let api = protos::compile_api();
    let mut stale = Vec::new();
    let generators: [Generate; 2] = [generate, generate_events];
    for (folder, generate) in [GENERATED, GENERATED_EVENTS].into_iter().zip(generators) {
        let fresh = tempfile::tempdir().expect("a temporary folder");
        generate(api.clone(), fresh.path());
        let committed = tidy::root().join(folder);
        if std::env::var_os("STANZABUS_REGENERATE").is_some() {
            replace(&committed, fresh.path());
        }
        let found = differences(&files_in(&committed), &files_in(fresh.path()));
        stale.extend(found.into_iter().map(|name| format!("{folder}/{name}")));
    }
    assert_none("stale; regenerate with STANZABUS_REGENERATE=1 (see this test)", &stale);
}

#[test]
fn a_stale_a_missing_and_a_left_over_file_are_found() {
    let files = |names: &[(&str, &str)]| -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect()
    };
    let committed = files(&[("same", "1"), ("stale", "1"), ("left-over", "1")]);
    let fresh = files(&[("same", "1"), ("stale", "2"), ("missing", "1")]);
    assert_eq!(differences(&committed, &fresh).len(), 3);
    assert_eq!(differences(&fresh, &fresh).len(), 0);
}

#[test]
fn only_our_own_package_is_generated() {
    let fresh = tempfile::tempdir().expect("a temporary folder");
    generate(protos::compile_source(include_str!("proto_rules/good.proto")), fresh.path());
    let files = files_in(fresh.path());
    assert_eq!(files.keys().collect::<Vec<_>>(), ["descriptor.bin", "stanzabus.v1.rs"]);
    let code = String::from_utf8_lossy(&files["stanzabus.v1.rs"]);
    assert!(code.contains("OracleClient") && code.contains("OracleServer"), "both ends are generated");
    assert!(code.contains("::prost_types::Timestamp"), "Google's types come from prost-types");
}

/// Client and server code, and the descriptors that gRPC reflection serves.
fn generate(mut api: FileDescriptorSet, out: &Path) {
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .emit_rerun_if_changed(false)
        .extern_path(format!(".{CLOUD_EVENTS}"), EVENTS_MODULE)
        // Else every event would have room for the attributes of a CloudEvent.
        .boxed(".stanzabus.v1.Event.payload.cloud_event")
        .boxed(".stanzabus.v1.NewEvent.payload.cloud_event")
        // Else every frame would have room for a subscription.
        .boxed(".stanzabus.v1.SubscribeResponse.frame.opened")
        .out_dir(out)
        .compile_fds(api.clone())
        .expect("the API generates");
    // Comments are in the generated code already; reflection clients do not read them.
    for file in &mut api.file {
        file.source_code_info = None;
    }
    fs::write(out.join("descriptor.bin"), api.encode_to_vec()).expect("the temporary folder is writable");
}

/// The messages of CloudEvents.
fn generate_events(api: FileDescriptorSet, out: &Path) {
    let file = api.file.into_iter().filter(|file| file.package() != PACKAGE).collect();
    let generating = tonic_prost_build::configure().emit_rerun_if_changed(false).out_dir(out);
    generating.compile_fds(FileDescriptorSet { file }).expect("the format generates");
}

fn replace(committed: &Path, fresh: &Path) {
    fs::create_dir_all(committed).expect("the folder can be made");
    for name in files_in(committed).keys() {
        fs::remove_file(committed.join(name)).expect("an old file can be removed");
    }
    for (name, content) in files_in(fresh) {
        fs::write(committed.join(name), content).expect("a new file can be written");
    }
}

fn differences(committed: &BTreeMap<String, Vec<u8>>, fresh: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let stale = fresh.iter().filter(|(name, content)| committed.get(*name) != Some(content));
    let left_over = committed.iter().filter(|(name, _)| !fresh.contains_key(*name));
    stale.chain(left_over).map(|(name, _)| name.clone()).collect()
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| {
            let content = fs::read(entry.path()).expect("a generated file is readable");
            (entry.file_name().to_string_lossy().into_owned(), content)
        })
        .collect()
}
