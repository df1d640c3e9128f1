//! How much room there is on a disk.

use std::{path::Path, process::Command};

/// How many bytes are free on the disk below a folder, and how many there are; or why nobody can tell.
pub type Measure = fn(&Path) -> Result<(u64, u64), String>;

/// As `df` tells: the standard library does not.
///
/// # Errors
///
/// When `df` can't be run, or tells nothing that can be read.
pub fn measure(folder: &Path) -> Result<(u64, u64), String> {
    let told = Command::new("df").args(["-P", "-k"]).arg(folder).env("LC_ALL", "C").output();
    let told = told.map_err(|error| format!("`df` can't be run: {error}"))?;
    let text = String::from_utf8_lossy(&told.stdout);
    space(&text).ok_or_else(|| format!("`df -P -k {}` tells nothing that can be read", folder.display()))
}

/// Free and all bytes in what `df -P -k` prints. Names may hold spaces, so it is the share that tells where the numbers stand.
fn space(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    let share =
        fields.iter().position(|field| field.ends_with('%') && field[..field.len() - 1].parse::<u32>().is_ok())?;
    let number = |back: usize| fields.get(share.checked_sub(back)?)?.parse::<u64>().ok();
    Some((number(1)?.checked_mul(1024)?, number(3)?.checked_mul(1024)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_names_with_spaces_too() {
        let head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";
        let bytes = |line: &str| space(&format!("{head}{line}\n"));
        assert_eq!(bytes("/dev/sda1 1000 400 600 40% /srv"), Some((600 * 1024, 1000 * 1024)));
        assert_eq!(bytes("//nas/my share 1000 400 600 40% /my 50% disk"), Some((600 * 1024, 1000 * 1024)));
        assert_eq!((bytes("broken"), bytes("40%"), space("")), (None, None, None));
    }

    #[test]
    fn the_disk_of_this_machine_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let (free, all) = measure(folder.path()).unwrap();
        assert!(all > 0 && free <= all, "{free} of {all}");
        let nowhere = measure(&folder.path().join("nowhere")).unwrap_err();
        assert!(nowhere.contains("tells nothing that can be read"), "{nowhere}");
    }
}
