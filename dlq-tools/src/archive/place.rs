//! Where an archive lies: a file, or an object in S3. Beside it lies its manifest. Neither is ever overwritten.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use aws_sdk_s3::{
    Client,
    error::DisplayErrorContext,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ObjectLockLegalHoldStatus},
};
use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{manifest::Manifest, read::Archive, write::Written};
use crate::deployment::{Deployment, Native, private_folder};

/// What the manifest's name has more than the archive's.
const MANIFEST: &str = ".manifest.json";
/// No manifest is larger.
const MANIFEST_BYTES: usize = 1 << 20;
/// S3 takes no more in one piece.
const MOST_BYTES: u64 = 5 << 30;

/// Where an archive lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File {
        /// Its path.
        path: PathBuf,
        /// The path as it was typed: so it is shown.
        named: PathBuf,
    },
    /// In S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write FILE.jsonl.zst or s3://BUCKET/KEY.jsonl.zst".to_owned();
        let place = match text.strip_prefix("s3://").map(|rest| rest.split_once('/')) {
            None => Self::File { path: text.into(), named: text.into() },
            Some(Some((bucket, key))) if !bucket.is_empty() => Self::S3 { bucket: bucket.into(), key: key.into() },
            Some(_) => return Err(wrong()),
        };
        if text.ends_with(".jsonl.zst") && !text.ends_with("/.jsonl.zst") { Ok(place) } else { Err(wrong()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { named, .. } => write!(f, "{}", named.display()),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

impl Place {
    /// The place as seen from this folder.
    #[must_use]
    pub fn seen_from(self, folder: &Path) -> Self {
        match self {
            // Without what `./` leaves in it.
            Self::File { path, named } => Self::File { path: folder.join(path).components().collect(), named },
            s3 @ Self::S3 { .. } => s3,
        }
    }

    /// The place in words that mean the same from every folder.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::S3 { .. } => self.to_string(),
        }
    }

    /// The folder to write the archive in before it has its name, made if it isn't there.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn workshop(&self, work: &Path) -> Result<PathBuf, Stopped> {
        let folder = match self {
            Self::File { path, .. } => {
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
            Self::S3 { .. } => work,
        };
        private_folder(folder).map_err(|error| self.failed("its folder can't be made", error))?;
        Ok(folder.to_owned())
    }

    /// Refuses a place that is taken.
    ///
    /// # Errors
    ///
    /// With [`Exit::Refused`].
    pub fn must_be_free(&self) -> Result<(), Stopped> {
        match self {
            Self::File { path, .. } if path.exists() || beside(path).exists() => Err(self.taken()),
            // S3 is asked when it is written.
            _ => Ok(()),
        }
    }

    /// Gives an archive its place, with its manifest beside it, and makes sure that both are there as they were written. With `hold`, nobody
    /// is to delete it: in S3 it is under a legal hold, a file is read-only.
    ///
    /// # Errors
    ///
    /// When the place is taken, or the archive can't be put there.
    pub async fn put(
        &self,
        written: Written,
        manifest: &Manifest,
        hold: bool,
        deployment: &Deployment,
    ) -> Result<(), Stopped> {
        let text =
            serde_json::to_vec_pretty(manifest).map_err(|error| self.failed("its manifest can't be written", error))?;
        match self {
            Self::File { path, .. } => self.put_file(path, written.file, &text, hold),
            Self::S3 { bucket, key } => {
                if written.bytes > MOST_BYTES {
                    let why = "it has more than 5 GiB: choose fewer letters at a time, with --since and --until";
                    return Err(self.failed("S3 takes it in one piece only", why));
                }
                let s3 = client(deployment)?;
                let body = ByteStream::from_path(written.file.path()).await;
                let body = body.map_err(|error| self.failed("it can't be read back", error))?;
                self.put_object(&s3, bucket, key, body, hold).await?;
                let came = self.hash_object(&s3, bucket, key).await?;
                if came != (manifest.bytes, manifest.hash.clone()) {
                    let why = format!(
                        "there are {} bytes with the SHA-256 {}, and {} with {} were written",
                        came.0, came.1, manifest.bytes, manifest.hash
                    );
                    return Err(self.failed("S3 gives back something else", why));
                }
                self.put_object(&s3, bucket, &format!("{key}{MANIFEST}"), text.into(), hold).await
            }
        }
    }

    fn put_file(&self, path: &Path, file: NamedTempFile, manifest: &[u8], hold: bool) -> Result<(), Stopped> {
        let failed = |error| self.failed("it can't be written", error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut beside_it = tempfile::Builder::new().prefix(".archive-").tempfile_in(folder).map_err(failed)?;
        beside_it.write_all(manifest).and_then(|()| beside_it.as_file().sync_all()).map_err(failed)?;
        for (file, name) in [(file, path.to_owned()), (beside_it, beside(path))] {
            file.persist_noclobber(&name).map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => self.taken(),
                _ => failed(error.error),
            })?;
            if hold {
                let mut rights = fs::metadata(&name).map_err(failed)?.permissions();
                rights.set_readonly(true);
                fs::set_permissions(&name, rights).map_err(failed)?;
            }
        }
        // Their names have to survive a crash of the machine, too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    async fn put_object(
        &self,
        s3: &Client,
        bucket: &str,
        key: &str,
        body: ByteStream,
        hold: bool,
    ) -> Result<(), Stopped> {
        let put = s3.put_object().bucket(bucket).key(key).body(body).if_none_match("*");
        let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256);
        let put = if hold { put.object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On) } else { put };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 409 | 412)) =>
            {
                Err(self.taken())
            }
            Err(error) => Err(self.unreachable("it can't be written", DisplayErrorContext(error))),
        }
    }

    async fn hash_object(&self, s3: &Client, bucket: &str, key: &str) -> Result<(u64, String), Stopped> {
        let mut digest = Sha256::new();
        let bytes = self.each_part(s3, bucket, key, |part| {
            digest.update(part);
            Ok(())
        });
        Ok((bytes.await?, hex::encode(digest.finalize())))
    }

    async fn each_part(
        &self,
        s3: &Client,
        bucket: &str,
        key: &str,
        mut see: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Stopped> {
        let unread = "it can't be read";
        let object = match s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
                return Err(self.missing(&format!("s3://{bucket}/{key}")));
            }
            Err(error) => return Err(self.unreachable(unread, DisplayErrorContext(error))),
        };
        let (mut body, mut bytes) = (object.body, 0);
        while let Some(part) = body.next().await {
            let part = part.map_err(|error| self.unreachable(unread, error))?;
            bytes += part.len() as u64;
            see(&part).map_err(|error| self.failed(unread, error))?;
        }
        Ok(bytes)
    }

    /// Opens the archive that lies here, and compares all of it with its manifest. One in S3 is copied into `work` first.
    ///
    /// # Errors
    ///
    /// With [`Exit::NothingMatched`] when there is none, and with [`Exit::Refused`] when it isn't what was written.
    pub async fn open(&self, deployment: &Deployment) -> Result<Archive, Stopped> {
        let (file, manifest) = match self {
            Self::File { path, named } => {
                let open = |path: &Path, named: &Path| match File::open(path) {
                    Ok(file) => Ok(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(self.missing(&named.display().to_string()))
                    }
                    Err(error) => Err(self.failed("it can't be read", error)),
                };
                let mut manifest = Vec::new();
                let limited = io::Read::take(open(&beside(path), &beside(named))?, MANIFEST_BYTES as u64);
                io::copy(&mut { limited }, &mut manifest)
                    .map_err(|error| self.failed("its manifest can't be read", error))?;
                (open(path, named)?, manifest)
            }
            Self::S3 { bucket, key } => {
                let s3 = client(deployment)?;
                let mut manifest = Vec::new();
                let beside = format!("{key}{MANIFEST}");
                let read = self.each_part(&s3, bucket, &beside, |part| {
                    if manifest.len() + part.len() > MANIFEST_BYTES {
                        return Err(io::Error::other("its manifest is too large to be one"));
                    }
                    manifest.extend_from_slice(part);
                    Ok(())
                });
                read.await?;
                let unwritten = |error| self.failed("it can't be copied here", error);
                private_folder(&deployment.work).map_err(unwritten)?;
                let mut copy = tempfile::tempfile_in(&deployment.work).map_err(unwritten)?;
                self.each_part(&s3, bucket, key, |part| copy.write_all(part)).await?;
                io::Seek::rewind(&mut copy).map_err(unwritten)?;
                (copy, manifest)
            }
        };
        let manifest = Manifest::read(&manifest).map_err(|why| {
            Stopped::new(
                Exit::Refused,
                format_args!("what lies at {self}{MANIFEST} is no manifest of an archive: {}", one_line(&why)),
            )
        })?;
        Archive::verify(file, manifest, &self.to_string())
    }

    fn taken(&self) -> Stopped {
        Stopped::new(
            Exit::Refused,
            format_args!(
                "there is something at {self} already, and archives are never overwritten: choose another name"
            ),
        )
    }

    fn missing(&self, what: &str) -> Stopped {
        Stopped::new(
            Exit::NothingMatched,
            format_args!(
                "there is no {what}; an archive is a file, and beside it a manifest with `{MANIFEST}` behind its name"
            ),
        )
    }

    fn failed(&self, what: &str, why: impl fmt::Display) -> Stopped {
        Stopped::failed(format_args!("the archive {self}: {what}: {why}"))
    }

    fn unreachable(&self, what: &str, why: impl fmt::Display) -> Stopped {
        Stopped::new(Exit::Unreachable, format_args!("the archive {self}: {what}: {why}"))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(MANIFEST);
    name.into()
}

fn client(deployment: &Deployment) -> Result<Client, Stopped> {
    match &deployment.native {
        Native::Aws(store) => Ok(store.aws().s3().clone()),
        Native::Embedded(_) => Err(Stopped::new(
            Exit::Usage,
            "a data folder knows no S3: archive to a file, and copy that and its manifest",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_an_object_and_says_what_it_is_by_its_name() {
        let s3 = Place::S3 { bucket: "b".into(), key: "k/x.jsonl.zst".into() };
        assert_eq!("s3://b/k/x.jsonl.zst".parse(), Ok(s3.clone()));
        assert_eq!(s3.to_string(), "s3://b/k/x.jsonl.zst");
        assert_eq!(
            "a/x.jsonl.zst".parse(),
            Ok(Place::File { path: "a/x.jsonl.zst".into(), named: "a/x.jsonl.zst".into() })
        );
        for wrong in ["", "x.zst", "s3://b", "s3:///x.jsonl.zst", "s3://b/", ".jsonl"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
