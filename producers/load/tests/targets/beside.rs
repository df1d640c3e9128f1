//! Beside a server that serves the folder. It runs in this process, and is reached as any other would be: by its folder and its API.

use sendoff_embedded::{
    System,
    config::{Config, ConfigFile, Inputs},
};
use sendoff_load::{
    target::{Trouble, Via},
    targets::{Backend, TargetOptions, open},
};

use super::conformance::{
    Rig, clean_takes_its_own_run_and_nothing_else, every_way_is_accounted_for,
    poison_is_counted_and_what_never_was_is_missing,
};

fn inputs(folder: &std::path::Path) -> Inputs {
    let flags = [("data", folder.display().to_string()), ("listen", "127.0.0.1:0".to_owned())];
    Inputs {
        flags: flags.map(|(key, value)| ("--set".to_owned(), key.to_owned(), value)).into(),
        file: ConfigFile::Nothing,
        ..Inputs::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_beside_a_server_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let system = System::start(&Config::load(&inputs(folder.path())).unwrap()).await.unwrap();
    let options = TargetOptions {
        backend: Backend::Sqlite(folder.path().to_owned()),
        api: Some(format!("http://{}", system.address())),
        ..TargetOptions::default()
    };
    let target = open(&options).await.unwrap();
    assert!(!target.is_here(), "its memory is the server's");
    every_way_is_accounted_for(&Rig::of(&*target), "ways", &[Via::Topic, Via::Queue, Via::Table, Via::Api]).await;
    poison_is_counted_and_what_never_was_is_missing(&Rig::of(&*target), "poison").await;
    clean_takes_its_own_run_and_nothing_else(&Rig::of(&*target), "clean").await;
    target.stop().await.unwrap();
    system.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_folder_without_data_is_unreachable_and_an_api_elsewhere_is_forbidden() {
    let folder = tempfile::tempdir().unwrap();
    let options = TargetOptions { backend: Backend::Sqlite(folder.path().to_owned()), ..TargetOptions::default() };
    assert_eq!(open(&options).await.err().unwrap().trouble, Trouble::Unreachable);

    sendoff_embedded::Store::open(folder.path(), sendoff_embedded::StoreOptions::default()).unwrap().shutdown().await;
    let elsewhere = TargetOptions { api: Some("https://api.example.org".into()), ..options.clone() };
    let error = open(&elsewhere).await.err().unwrap();
    assert_eq!(error.trouble, Trouble::Forbidden);
    assert!(error.why.contains("--allow api.example.org"), "{error}");
    let allowed = TargetOptions { allow: vec!["api.example.org".into()], ..elsewhere };
    assert_eq!(open(&allowed).await.err().unwrap().trouble, Trouble::Unusable, "it needs a token");
    assert!(open(&TargetOptions { token: Some("t".into()), ..allowed }).await.is_ok());
    assert!(open(&options).await.is_ok());
}
