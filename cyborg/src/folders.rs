//! Where this program keeps things of a user's, by the XDG base directory specification.

use std::env;
use std::path::PathBuf;

/// A folder of this program's by the XDG base directory specification.
pub(crate) fn of_user(variable: &str, below_home: &str) -> Option<PathBuf> {
    xdg(env::var_os(variable).map(PathBuf::from), env::home_dir(), below_home)
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
