//! Compiles the `.proto` files without protoc.

use std::fs;
use std::path::Path;

use prost_types::FileDescriptorSet;

/// Where imports start; our files are named `stanzabus/v1/x.proto` below it.
pub(crate) const INCLUDE_ROOT: &str = "schemas/proto";
/// The package of the API, and the folder of its files.
pub(crate) const PACKAGE: &str = "stanzabus.v1";

/// The package of CloudEvents, which is not ours. Its file stands among ours (against buf's `PACKAGE_DIRECTORY_MATCH`),
/// because Python could import no module from a folder `io`.
pub(crate) const CLOUD_EVENTS: &str = "io.cloudevents.v1";

/// Every file of the API with what it imports and with its comments, imports first.
pub(crate) fn compile_api() -> FileDescriptorSet {
    compile(&tidy::root().join(INCLUDE_ROOT))
}

/// One file as if it were the whole API.
pub(crate) fn compile_source(source: &str) -> FileDescriptorSet {
    let include_root = tempfile::tempdir().expect("a temporary folder");
    let folder = include_root.path().join(PACKAGE.replace('.', "/"));
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    fs::write(folder.join("case.proto"), source).expect("the temporary folder is writable");
    compile(include_root.path())
}

/// Every file of the package below an include root.
fn compile(include_root: &Path) -> FileDescriptorSet {
    let folder = include_root.join(PACKAGE.replace('.', "/"));
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no .proto files", folder.display());

    let mut compiler = protox::Compiler::new([include_root]).expect("the include root exists");
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files).unwrap_or_else(|error| panic!("{error:?}"));
    compiler.file_descriptor_set()
}
