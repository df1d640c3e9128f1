//! Reading an archive. Nothing of it is used before all of it is known to be what was written.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    ops::ControlFlow,
};

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};
use sha2::{Digest as _, Sha256};

use super::{line::Line, manifest::Manifest};
use crate::letter::Letter;

/// No letter takes more: its body, what its claim check points to, and what is known of it.
const LONGEST_LINE: u64 = 16 << 20;

/// An archive whose bytes are those that its manifest names.
pub struct Archive {
    /// What it is of.
    pub manifest: Manifest,
    file: File,
    /// How it is called in messages.
    name: String,
}

impl Archive {
    /// Compares the whole file with its manifest.
    ///
    /// # Errors
    ///
    /// With [`Exit::Refused`] when it isn't what was written.
    pub fn verify(file: File, manifest: Manifest, name: &str) -> Result<Self, Stopped> {
        let mut archive = Self { manifest, file, name: name.to_owned() };
        let mut digest = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match archive.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    digest.update(&buffer[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stopped::failed(format_args!("{name} can't be read: {error}"))),
            }
        }
        let hash = hex::encode(digest.finalize());
        if hash != archive.manifest.hash || bytes != archive.manifest.bytes {
            return Err(archive.damaged(format_args!(
                "it has {bytes} bytes with the SHA-256 {hash}, and its manifest says {} bytes with {}: it was changed or cut off",
                archive.manifest.bytes, archive.manifest.hash
            )));
        }
        Ok(archive)
    }

    /// Shows all letters to `see`, in the order of message ids, until it has seen enough.
    ///
    /// # Errors
    ///
    /// With [`Exit::Refused`] when there are other lines than the manifest says, or what `see` fails with. No more are shown than it says.
    pub fn each(&mut self, mut see: impl FnMut(Letter) -> Result<ControlFlow<()>, Stopped>) -> Result<(), Stopped> {
        let failed = |this: &Self, error: io::Error| this.damaged(error);
        self.file.seek(SeekFrom::Start(0)).map_err(|error| failed(self, error))?;
        let decoder = zstd::Decoder::new(&self.file).map_err(|error| failed(self, error))?;
        let mut lines = BufReader::new(decoder);
        let (mut digest, mut count, mut last) = (Sha256::new(), 0_u64, None::<String>);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| failed(self, error))? == 0 {
                break;
            }
            count += 1;
            if count > self.manifest.count {
                let why = format_args!("it has more lines than the {} that its manifest says", self.manifest.count);
                return Err(self.damaged(why));
            }
            digest.update(&line);
            let parsed = line.strip_suffix(b"\n").ok_or_else(|| "the line has no end".to_owned()).and_then(|text| {
                serde_json::from_slice::<Line>(text).map_err(|error| error.to_string()).and_then(Line::letter)
            });
            let letter = parsed.map_err(|why| self.damaged(format_args!("line {count}: {why}")))?;
            let id = &letter.message.message_id;
            if last.as_ref().is_some_and(|last| last >= id) {
                return Err(self.damaged(format_args!("line {count} isn't in the order of message ids")));
            }
            last = Some(id.clone());
            if see(letter)?.is_break() {
                return Ok(());
            }
        }
        let lines_hash = hex::encode(digest.finalize());
        if (count, &lines_hash) != (self.manifest.count, &self.manifest.lines_hash) {
            return Err(self.damaged(format_args!(
                "it has {count} lines with the SHA-256 {lines_hash}, and its manifest says {} lines with {}",
                self.manifest.count, self.manifest.lines_hash
            )));
        }
        Ok(())
    }

    fn damaged(&self, why: impl std::fmt::Display) -> Stopped {
        // It may quote what stands there.
        let why = one_line(&why.to_string());
        Stopped::new(
            Exit::Refused,
            format_args!("the archive {} isn't what was written, so nothing was done with it: {why}", self.name),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::archive::{tests::letter, write::Writer};

    fn archive(count: usize) -> (tempfile::NamedTempFile, Manifest) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::begin(folder.path()).unwrap();
        (0..count).for_each(|n| writer.add(&letter(n, format!("body {n}").as_bytes())).unwrap());
        let written = writer.finish().unwrap();
        let manifest = crate::archive::tests::manifest(&written);
        let mut copy = tempfile::NamedTempFile::new().unwrap();
        io::copy(&mut written.file.reopen().unwrap(), &mut copy).unwrap();
        (copy, manifest)
    }

    fn read(file: &tempfile::NamedTempFile, manifest: &Manifest) -> Result<Vec<Letter>, Stopped> {
        let mut letters = Vec::new();
        let mut archive = Archive::verify(file.reopen().unwrap(), manifest.clone(), "it")?;
        archive.each(|letter| {
            letters.push(letter);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(letters)
    }

    #[test]
    fn what_was_written_is_read_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::begin(folder.path()).unwrap();
        let letters = [letter(0, b"plain"), letter(1, b"\xff\x00\xfe"), letter(2, "\u{2028}\n\"ü".as_bytes())];
        letters.iter().for_each(|letter| writer.add(letter).unwrap());
        let written = writer.finish().unwrap();
        let manifest = crate::archive::tests::manifest(&written);
        assert_eq!(read(&written.file, &manifest).unwrap(), letters);
    }

    #[test]
    fn an_archive_that_was_changed_or_cut_off_anywhere_is_refused() {
        let (file, manifest) = archive(20);
        assert_eq!(read(&file, &manifest).unwrap().len(), 20);
        let whole = std::fs::read(file.path()).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            for bytes in [&changed[..], &whole[..place]] {
                let mut copy = tempfile::NamedTempFile::new().unwrap();
                copy.write_all(bytes).unwrap();
                assert_eq!(read(&copy, &manifest).unwrap_err().exit, Exit::Refused);
            }
        }
    }

    #[test]
    fn no_more_letters_are_shown_than_the_manifest_says() {
        let (file, manifest) = archive(5);
        let mut shown = 0;
        let mut archive = Archive::verify(file.reopen().unwrap(), Manifest { count: 2, ..manifest }, "it").unwrap();
        let refused = archive.each(|_| {
            shown += 1;
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((refused.unwrap_err().exit, shown), (Exit::Refused, 2));
    }

    #[test]
    fn a_manifest_that_fits_the_file_but_not_its_lines_is_refused() {
        let (file, manifest) = archive(3);
        for wrong in
            [Manifest { count: 2, ..manifest.clone() }, Manifest { lines_hash: "0".repeat(64), ..manifest.clone() }]
        {
            assert_eq!(read(&file, &wrong).unwrap_err().exit, Exit::Refused);
        }
    }
}
