//! Each rpc has a request and a response of its own, so that either can grow without the others.

use std::collections::HashMap;

use prost_types::FileDescriptorProto;

use crate::protos::PACKAGE;

pub(super) fn check(files: &[&FileDescriptorProto]) -> Vec<String> {
    let services = files.iter().flat_map(|file| &file.service);
    let rpcs: Vec<_> =
        services.flat_map(|service| service.method.iter().map(move |rpc| (service.name(), rpc))).collect();
    let mut uses = HashMap::<&str, usize>::new();
    for (_, rpc) in &rpcs {
        *uses.entry(rpc.input_type()).or_default() += 1;
        *uses.entry(rpc.output_type()).or_default() += 1;
    }

    let mut violations = Vec::new();
    for (service, rpc) in rpcs {
        let name = format!("rpc {service}.{}", rpc.name());
        let own = |suffix: &str, type_name: &str| {
            let names = [format!("{}{suffix}", rpc.name()), format!("{service}{}{suffix}", rpc.name())];
            names.iter().any(|name| type_name == format!(".{PACKAGE}.{name}"))
        };
        if !own("Request", rpc.input_type()) {
            violations.push(format!("{name}: takes an {}Request", rpc.name()));
        }
        if !own("Response", rpc.output_type()) {
            violations.push(format!("{name}: answers with an {}Response", rpc.name()));
        }
        let shared = [rpc.input_type(), rpc.output_type()].into_iter().filter(|name| uses[name] > 1);
        violations.extend(shared.map(|shared| format!("{name}: shares {} with another rpc", short(shared))));
    }
    violations
}

fn short(type_name: &str) -> &str {
    type_name.rsplit('.').next().unwrap_or(type_name)
}
