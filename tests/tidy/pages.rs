//! The pages of the repository: links lead to files, the architecture names files that exist, and references to
//! `core/docs/arcp.md` from the sources lead to its headings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{files, read, root, rust_files};

/// The path of the page, as in `core/docs/arcp.md §6.3`, or `core/docs/arcp.md, "The client"`.
const PAGE: &str = "core/docs/arcp.md";

/// Returns the sections (`§6.3`) and titles that are named between a mention and the end of its parenthesis or
/// sentence.
fn named(text: &str) -> Vec<String> {
    let end = text.find([')', ';', ':']).unwrap_or(text.len()).min(text.find(". ").unwrap_or(text.len()));
    let text = &text[..end];
    let sections = text.split('§').skip(1).map(|rest| {
        let number = rest.split(|next: char| next != '.' && !next.is_ascii_digit()).next().unwrap_or_default();
        format!("§{}", number.trim_end_matches('.'))
    });
    let titles = text.split('"').skip(1).step_by(2).map(str::to_owned);
    sections.chain(titles).collect()
}

#[test]
fn references_lead_to_headings() {
    let page = read(PAGE);
    let headings: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let leads = |name: &str| {
        headings.iter().any(|heading| match heading.strip_prefix(name) {
            Some(rest) => name.starts_with('§') && rest.starts_with([' ', '.']) || rest.is_empty(),
            None => false,
        })
    };
    let mut mentions = 0;
    for path in ["core", "drivers", "tests"].iter().flat_map(|folder| rust_files(folder)) {
        if path.starts_with("tests/tidy") {
            continue;
        }
        let text = read(&path);
        // A mention may continue on the next line of its comment.
        let text: String = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!'])).collect();
        for rest in text.split(PAGE).skip(1) {
            mentions += 1;
            for name in named(rest.trim_start_matches('`')) {
                assert!(leads(&name), "{}: {PAGE} has no heading {name}", path.display());
            }
        }
    }
    assert!(mentions > 20, "only {mentions} mentions were found");
}

#[test]
fn links_lead_to_files() {
    let mut links = 0;
    for page in [".github", "core", "drivers", "fuzz"].iter().flat_map(|folder| files(folder, "md")) {
        links += check_links(&page);
    }
    links += check_links(Path::new("README.md"));
    assert!(links > 20, "only {links} links were found");
}

/// Checks the relative links of a page, and returns their number.
fn check_links(page: &Path) -> usize {
    let text = read(page);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    let relative = targets.filter(|target| !target.is_empty() && !target.starts_with("http"));
    let found = relative.map(|target| {
        let file = root().join(page).parent().unwrap().join(target);
        assert!(file.exists(), "{}: there is no {target}", page.display());
    });
    found.count()
}

/// The suites that prove a promise are in `tests/`, or the Map says where else.
#[test]
fn the_suites_of_the_readme_are_where_its_map_says() {
    let page = read("README.md");
    let section = |title: &str| {
        let (_, rest) = page.split_once(&format!("\n## {title}")).unwrap();
        rest.split("\n## ").next().unwrap()
    };
    let proofs = section("What is promised").lines().filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | "));
    let words = proofs.flat_map(|(_, proof)| proof.split('`').skip(1).step_by(2));
    let suites: BTreeSet<&str> =
        words.filter(|word| word.chars().all(|next| next.is_ascii_lowercase() || next == '_')).collect();
    assert!(suites.len() > 5, "only {suites:?} are named");
    for suite in suites {
        let is_in = |folder: &str| {
            let path = root().join(folder).join(suite);
            path.is_dir() || path.with_extension("rs").is_file()
        };
        let is_in_map = section("Map").contains(&format!("`{suite}` runs the command and is in `drivers/cli/tests/`"));
        assert!(is_in("tests") || is_in_map && is_in("drivers/cli/tests"), "README.md names {suite}");
    }
}

#[test]
fn the_packages_that_the_checks_install_are_named() {
    let page = read(".github/CONTRIBUTING.md");
    let script = read(".ci/run");
    let lists = script.split("missing+=(").skip(1).filter_map(|rest| rest.split(')').next());
    let packages: Vec<&str> = lists.flat_map(str::split_whitespace).collect();
    assert!(packages.len() > 5, "only {packages:?} are installed");
    for package in packages {
        assert!(page.contains(&format!("`{package}`")), ".github/CONTRIBUTING.md does not name {package}");
    }
}

#[test]
fn no_page_has_the_marks_of_a_conflict() {
    let folders = [".github", "core", "drivers", "fuzz"];
    let pages = folders.iter().flat_map(|folder| files(folder, "md")).chain([PathBuf::from("README.md")]);
    for page in pages {
        let text = read(&page);
        let mark = text.lines().find(|line| ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark)));
        assert_eq!(mark, None, "{}", page.display());
    }
}

#[test]
fn the_architecture_of_core_names_files_that_exist() {
    let folders = ["core/src", "core/benches", "tests"];
    let files: Vec<String> =
        folders.iter().flat_map(|folder| rust_files(folder)).map(|path| format!("/{}", path.display())).collect();
    let page = read("core/README.md");
    let words = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_file = |word: &&str| word.ends_with('/') || word.rsplit_once('.').is_some_and(|(_, end)| end == "rs");
    let named: BTreeSet<&str> = words.filter(is_file).filter(|word| !word.contains(' ')).collect();
    assert!(named.len() > 20, "only {} files are named", named.len());
    for name in named {
        assert!(files.iter().any(|file| file.contains(&format!("/{name}"))), "core/README.md names {name}");
    }
}
