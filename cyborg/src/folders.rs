//! The folders in which this program keeps a user's things, by the XDG base directory specification.

use std::env;
use std::path::PathBuf;

use crate::error::Failure;

/// A folder of this program's by the XDG base directory specification.
pub(crate) fn of_user(variable: &str, below_home: &str) -> Option<PathBuf> {
    xdg(env::var_os(variable).map(PathBuf::from), env::home_dir(), below_home)
}

/// A folder for what the user keeps, by its name below this program's. If there is no home folder the error
/// asks the user to name one with a flag.
pub(crate) fn kept(name: &str, flag: &'static str, say: &str) -> Result<PathBuf, Failure> {
    let data = of_user("XDG_DATA_HOME", ".local/share");
    let data =
        data.ok_or_else(|| Failure::Usage { flag, problem: format!("there is no home folder: say {say}") })?;
    Ok(data.join(name))
}

/// The folder that a variable names, else one below the home folder. Relative ones are ignored, as
/// the specification has it.
fn xdg(named: Option<PathBuf>, home: Option<PathBuf>, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    named
        .filter(absolute)
        .or_else(|| home.filter(absolute).map(|home| home.join(below_home)))
        .map(|folder| folder.join("cyborg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_environment() {
        let path = |text: &str| Some(PathBuf::from(text));
        let chosen = |named, home| xdg(named, home, ".cache");
        assert_eq!(chosen(path("/data"), path("/home/a")), path("/data/cyborg"));
        assert_eq!(chosen(None, path("/home/a")), path("/home/a/.cache/cyborg"));
        assert_eq!(chosen(path("relative"), path("/home/a")), path("/home/a/.cache/cyborg"));
        assert_eq!(chosen(None, None), None);
    }
}
