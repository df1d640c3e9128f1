//! What `sam build` and `sam package` do to a template: each function's binary in an archive, and the template with the places
//! where the archives are.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use aws_sdk_s3::primitives::ByteStream;
use sendoff_aws::Aws;

use crate::binaries::FUNCTIONS;

const TEMPLATE: &str = include_str!("../../infra/aws/template.yaml");

/// Puts the archives into `bucket`, and gives the template that points there. Every function gets the
/// emulator's address, which that doesn't tell by itself, and that of the stub which stands in for Twilio.
pub(crate) async fn package(aws: &Aws, bucket: &str, endpoint: &str, twilio: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let put = async |key: String, bytes: ByteStream| {
        aws.s3().put_object().bucket(bucket).key(key).body(bytes).send().await.expect("uploaded");
    };
    for (name, binary) in FUNCTIONS {
        let archive = zip(Path::new(binary), &folder.path().join(format!("{name}.zip")));
        put(format!("{name}.zip"), ByteStream::from_path(archive).await.unwrap()).await;
    }
    let mut binary = None;
    let mut packaged = String::with_capacity(TEMPLATE.len());
    for line in TEMPLATE.lines() {
        if let Some((_, rest)) = line.split_once("Binary: ") {
            binary = Some(rest.trim_end_matches([' ', '}']));
        }
        let line = match line {
            "      CodeUri: ." => {
                format!("      CodeUri: s3://{bucket}/{}.zip", binary.take().expect("a binary is named first"))
            }
            "    Handler: bootstrap" => {
                let variables = format!("{{AWS_ENDPOINT_URL: '{endpoint}', TWILIO_BASE_URL: '{twilio}'}}");
                format!("    Handler: bootstrap\n    Environment: {{Variables: {variables}}}")
            }
            line => line.to_owned(),
        };
        packaged.push_str(&line);
        packaged.push('\n');
    }
    for (name, _) in FUNCTIONS {
        assert!(packaged.contains(&format!("s3://{bucket}/{name}.zip")), "the template has no function `{name}`");
    }
    packaged
}

/// An archive that holds the binary, without what only a debugger needs, as `bootstrap`.
fn zip(binary: &Path, archive: &Path) -> PathBuf {
    // A function's own zip file: executable, and stored as it is, for it is unpacked at once.
    const ZIP: &str = "
import sys, zipfile
entry = zipfile.ZipInfo('bootstrap')
entry.external_attr = 0o755 << 16
with zipfile.ZipFile(sys.argv[2], 'w') as archive, open(sys.argv[1], 'rb') as binary:
    archive.writestr(entry, binary.read())
";
    let stripped = archive.with_extension("stripped");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(binary));
    run(Command::new("python3").args(["-c", ZIP]).arg(&stripped).arg(archive));
    archive.to_path_buf()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
