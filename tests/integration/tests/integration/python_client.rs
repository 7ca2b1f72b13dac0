//! The README's Python client: the snippet as it stands there, on stubs generated from the contract.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::peers::{Example, PATIENCE, on_prosody};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const SNIPPET: &str = "examples/python/publish_and_tail.py";

#[test]
fn the_readme_has_the_snippet_as_it_is_tested() {
    let root = Path::new(ROOT);
    let snippet = fs::read_to_string(root.join(SNIPPET)).unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&format!("```python\n{snippet}```\n")), "README.md lacks the text of {SNIPPET}");
}

#[tokio::test]
async fn the_python_snippet_publishes_and_then_reads_what_others_publish() {
    let stubs = generate_stubs().await;
    let (_prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "orders"]).await.unwrap();

    let mut python = Command::new(harness::python().expect("`tests/run` made the venv"));
    python.arg(Path::new(ROOT).join(SNIPPET)).env("PYTHONPATH", stubs.path());
    let mut snippet = Example::start(python, &daemon, "orders");
    assert_eq!(snippet.line().await, "on disk: order-7 is seq 1");
    assert_eq!(snippet.line().await, "seq 1: order-7 <order xmlns='urn:example:shop' number='7'/>");

    daemon
        .cli(["pub", "orders", "--id", "order-8", "--xml", "<order xmlns='urn:example:shop'/>"])
        .await
        .unwrap();
    assert_eq!(snippet.line().await, "seq 2: order-8 <order xmlns='urn:example:shop'/>");
}

/// As the README says, into a folder of its own.
pub(crate) async fn generate_stubs() -> TempDir {
    let stubs = tempfile::tempdir().expect("a folder");
    let proto = Path::new(ROOT).join("schemas/proto");
    let option = |name: &str, path: &Path| {
        let mut option = OsString::from(name);
        option.push(path);
        option
    };
    let mut protoc = Command::new(harness::python().expect("`tests/run` made the venv"));
    protoc.args(["-m", "grpc_tools.protoc", "-I"]).arg(&proto).kill_on_drop(true);
    protoc.arg(option("--python_out=", stubs.path())).arg(option("--grpc_python_out=", stubs.path()));
    let contracts = fs::read_dir(proto.join("stanzabus/v1")).expect("the contracts are there");
    protoc.args(contracts.map(|contract| contract.expect("they can be listed").path()));
    let ended = timeout(PATIENCE, protoc.output()).await.expect("it takes a second").expect("Python starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    stubs
}
