//! The project that a person works in: the working directory of an interactive command, and the root of its repository.
//!
//! Whatever is in a project may have come from somebody else. So only keys that stand there literally are taken (DESIGN §5.9):
//! nothing that a project's file refers to is looked up, for it could name any secret of this person.

use std::path::{Path, PathBuf};

use super::Scene;

/// The working directory, then the root of its repository if that is another; none for the monitor. The home directory is no
/// project: what is in it is read where its tools keep it.
pub(super) fn roots(scene: &Scene<'_>) -> Vec<PathBuf> {
    let Some(cwd) = scene.cwd else { return Vec::new() };
    let home = scene.env.home();
    let mut roots = vec![cwd.to_owned()];
    roots.extend(repository(cwd).filter(|root| root != cwd));
    roots.retain(|root| *root != home);
    roots
}

/// A worktree has a file of this name where others have a directory.
fn repository(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    fn seen(home: &Home) -> Vec<String> {
        let mut found = Vec::new();
        home.with_scene(|scene, _| found = roots(scene));
        found.iter().map(|root| home.relative(&root.display().to_string())).collect()
    }

    #[test]
    fn where_a_person_works() {
        let mut home = Home::new();
        home.write("office/repo/.git/HEAD", "");
        home.write("office/repo/src/deep/x", "");
        assert!(seen(&home).is_empty(), "the monitor works nowhere");
        for (cwd, expected) in [
            ("office/repo/src/deep", &["~/office/repo/src/deep", "~/office/repo"][..]),
            ("office/repo", &["~/office/repo"]),
            ("office", &["~/office"]),
        ] {
            home.cwd = Some(home.path(cwd));
            assert_eq!(seen(&home), expected, "{cwd}");
        }
        home.write(".git", "gitdir: elsewhere");
        home.cwd = Some(home.path("office"));
        assert_eq!(seen(&home), ["~/office"], "a home under version control is no project");
    }
}
