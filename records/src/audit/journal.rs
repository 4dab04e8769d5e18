//! Checkpoints outside the database: `audit/checkpoints/YYYY-MM.txt` in the data folder, one signed note after the other,
//! each followed by an empty line, appended and synced. Whoever rewrites the database has to rewrite these as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::checkpoint::Checkpoint;
use super::findings::GivenUp;
use super::key::{AuditKeyError, SigningKey};

/// The folder `audit` of a data folder: the signing key and the checkpoints.
#[derive(Clone)]
pub struct Journal {
    folder: PathBuf,
    key: SigningKey,
}

impl Journal {
    /// Opens the folder, and makes it with a new key if it is not there.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: folder.display().to_string(), source };
        let checkpoints = folder.join("checkpoints");
        if !checkpoints.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&checkpoints).map_err(io)?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
            if let Some(parent) = folder.parent() {
                File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), key: SigningKey::open_or_create(&folder.join("audit.key"))? })
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// All notes, oldest first. A note that was cut off at the very end, as a crash leaves it, is not one of them.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn notes(&self) -> Result<Notes, JournalError> {
        let mut files = self.files()?;
        files.reverse();
        Ok(Notes { files, open: None })
    }

    /// The last note.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn last(&self) -> Result<Option<String>, JournalError> {
        for path in self.files()?.into_iter().rev() {
            let found =
                last_note(&path).map_err(|source| JournalError::Io { path: path.display().to_string(), source })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Appends notes, and syncs them to the disk.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn append(&self, notes: &[String]) -> Result<(), JournalError> {
        let Some(last) = notes.last() else { return Ok(()) };
        let micros = Checkpoint::read(last).map_or(0, |checkpoint| checkpoint.time);
        let at = OffsetDateTime::from_unix_timestamp(micros / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let path = self.checkpoints().join(format!("{:04}-{:02}.txt", at.year(), u8::from(at.month())));
        self.write(&path, notes).map_err(|source| JournalError::Io { path: path.display().to_string(), source })
    }

    fn write(&self, path: &Path, notes: &[String]) -> io::Result<()> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let whole = whole_length(&file)?;
        // What a crash cut off in the middle stands in the database, and is written again.
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        let mut text = String::new();
        for note in notes {
            text.push_str(note);
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        if is_new {
            File::open(self.checkpoints())?.sync_all()?;
        }
        Ok(())
    }

    /// Copies the notes of the leaves that are given up to a file of their own, which is kept for good.
    ///
    /// # Errors
    /// The file system refuses.
    pub(super) fn set_aside(&self, given_up: GivenUp) -> Result<(), JournalError> {
        let mut text = String::new();
        for note in self.notes()? {
            let note = note?;
            if Checkpoint::read(&note).is_ok_and(|checkpoint| checkpoint.size > given_up.from) {
                text.push_str(&note);
                text.push('\n');
            }
        }
        let folder = self.folder.join(ASIDE);
        let io = |source| JournalError::Io { path: folder.display().to_string(), source };
        if !folder.is_dir() {
            fs::DirBuilder::new().mode(0o700).create(&folder).map_err(io)?;
            File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        }
        // The same leaves may be given up more than once, each time of another history.
        let name = |n: usize| folder.join(format!("{}-{}.{n}.txt", given_up.from, given_up.to));
        let free = (1..).map(name).find(|path| fs::read_to_string(path).map_or(true, |kept| kept == text));
        let path = free.unwrap_or_else(|| name(0));
        replace(&path, text.as_bytes()).map_err(io)
    }

    /// What was set aside.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(super) fn aside(&self) -> Result<Vec<GivenUp>, JournalError> {
        let folder = self.folder.join(ASIDE);
        let io = |source| JournalError::Io { path: folder.display().to_string(), source };
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let range = name.to_str().and_then(|name| name.split('.').next()?.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (from.parse(), to.parse())
            {
                all.push(GivenUp { from, to });
            }
        }
        all.sort_by_key(|one| (one.from, one.to));
        all.dedup();
        Ok(all)
    }

    /// Ends with the note of `size` leaves: what follows stands aside.
    ///
    /// # Errors
    /// The file system refuses; doing it again goes on.
    pub(super) fn cut(&self, size: u64) -> Result<(), JournalError> {
        for path in self.files()?.into_iter().rev() {
            let io = |source| JournalError::Io { path: path.display().to_string(), source };
            let mut kept = String::new();
            for note in (Notes { files: vec![path.clone()], open: None }) {
                let note = note?;
                if Checkpoint::read(&note).is_ok_and(|checkpoint| checkpoint.size > size) {
                    break;
                }
                kept.push_str(&note);
                kept.push('\n');
            }
            if kept.is_empty() {
                fs::remove_file(&path).map_err(io)?;
                File::open(self.checkpoints()).and_then(|folder| folder.sync_all()).map_err(io)?;
            } else {
                replace(&path, kept.as_bytes()).map_err(io)?;
                return Ok(());
            }
        }
        Ok(())
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Oldest month first.
    fn files(&self) -> Result<Vec<PathBuf>, JournalError> {
        let folder = self.checkpoints();
        let io = |source| JournalError::Io { path: folder.display().to_string(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == "txt") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Puts a whole file in the place of another one, or of none: there is never half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether a note is whole: text, empty line, signature, newline.
fn is_whole(note: &str) -> bool {
    note.ends_with('\n') && note.contains("\n\n\u{2014} ")
}

/// Where the last whole note of a file ends. A note is at most a few hundred bytes, so its tail is enough.
fn whole_length(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    let mut file = file;
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    // The end of a note: its signature's newline, and an empty line.
    let mut end = tail.len();
    while end > 0 {
        if tail[..end].ends_with(b"\n\n") {
            let line = tail[..end - 2].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            if tail[line..end].starts_with("\u{2014} ".as_bytes()) {
                return Ok(from + end as u64);
            }
        }
        end -= 1;
    }
    Ok(if from == 0 { 0 } else { length })
}

const TAIL: u64 = 4_096;
/// The folder of notes that were given up when a restore was accepted.
const ASIDE: &str = "aside";

fn last_note(path: &Path) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let whole = whole_length(&file)?;
    let from = whole.saturating_sub(TAIL);
    let mut bytes = vec![0; usize::try_from(whole - from).unwrap_or(0)];
    let mut file = file;
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // Text, empty line, signature, empty line: the note begins after the second last but one of these.
    let Some(text) = text.strip_suffix('\n') else { return Ok(None) };
    let Some(middle) = text.rfind("\n\n\u{2014} ") else { return Ok(None) };
    let begin = text[..middle].rfind("\n\n").map_or(0, |at| at + 2);
    Ok(Some(text[begin..].to_owned()))
}

/// See [`Journal::notes`].
pub struct Notes {
    /// Newest first.
    files: Vec<PathBuf>,
    open: Option<BufReader<File>>,
}

impl Iterator for Notes {
    type Item = Result<String, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.open.is_none() {
                let path = self.files.pop()?;
                match File::open(&path) {
                    Ok(file) => self.open = Some(BufReader::new(file)),
                    Err(source) => return Some(Err(JournalError::Io { path: path.display().to_string(), source })),
                }
            }
            match self.open.as_mut().map(next_note) {
                Some(Ok(Some(note))) => return Some(Ok(note)),
                Some(Ok(None)) | None => self.open = None,
                Some(Err(source)) => {
                    self.open = None;
                    return Some(Err(JournalError::Io { path: "audit/checkpoints".to_owned(), source }));
                }
            }
        }
    }
}

/// Two paragraphs; what is not even that is given as it is, for its reader to refuse.
fn next_note(file: &mut BufReader<File>) -> io::Result<Option<String>> {
    let (mut bytes, mut empty) = (Vec::new(), 0);
    loop {
        let before = bytes.len();
        if file.read_until(b'\n', &mut bytes)? == 0 {
            let rest = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(is_whole(&rest).then_some(rest));
        }
        if bytes[before..] == *b"\n" {
            empty += 1;
            if empty == 2 {
                bytes.pop();
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
}

/// The folder of the log's key and checkpoints can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("the audit log's folder, {path}: {source}; correct its owner, mode or free space")]
    Io {
        /// What.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] AuditKeyError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(journal: &Journal, size: u64, time: i64) -> String {
        journal.key().sign(&Checkpoint { size, root: [1; 32], index: [2; 32], time })
    }

    fn all(journal: &Journal) -> Vec<String> {
        journal.notes().unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn notes_come_back_in_order_over_months_and_the_last_one_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("audit")).unwrap();
        assert_eq!(journal.last().unwrap(), None);
        let month = 40 * 24 * 3_600 * 1_000_000_i64;
        let notes: Vec<String> = (0..40).map(|n| note(&journal, n + 1, n as i64 / 10 * month)).collect();
        for some in notes.chunks(5) {
            journal.append(some).unwrap();
        }
        assert_eq!(all(&journal), notes);
        assert_eq!(journal.last().unwrap().as_ref(), notes.last());
        assert!(journal.files().unwrap().len() >= 4);
    }

    #[test]
    fn a_note_without_the_empty_line_after_it_is_one_and_half_a_note_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let [one, two] = [1, 2].map(|n| note(&journal, n, 0));
        let path = folder.path().join("checkpoints/1970-01.txt");
        let unsigned = two.split('\u{2014}').next().unwrap().to_owned();
        let no_newline = two.trim_end().to_owned();
        for (end, whole) in
            [(two.clone(), true), (unsigned, false), (no_newline, false), ("bedside\n".to_owned(), false)]
        {
            fs::write(&path, format!("{one}\n{end}")).unwrap();
            let expected: Vec<String> = [one.clone()].into_iter().chain(whole.then(|| two.clone())).collect();
            assert_eq!(all(&journal), expected, "{end}");
        }
    }

    #[test]
    fn a_note_that_a_crash_cut_off_at_any_byte_is_no_note_and_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let [one, two, three] = [1, 2, 3].map(|n| note(&journal, n, 0));
        for cut in 0..=two.len() {
            let path = folder.path().join("checkpoints/1970-01.txt");
            let _ = fs::remove_file(&path);
            journal.append(std::slice::from_ref(&one)).unwrap();
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(&two.as_bytes()[..cut]).unwrap();
            drop(file);
            assert_eq!(journal.last().unwrap().as_ref(), Some(&one), "cut at {cut}");
            journal.append(std::slice::from_ref(&three)).unwrap();
            assert_eq!(all(&journal), [one.clone(), three.clone()], "cut at {cut}");
        }
    }
}
