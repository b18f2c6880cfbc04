//! What the documents link to is there: files, and headings in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use tests::root;

/// A Markdown file: where its links lead, and what its headings are called in links.
struct Document {
    place: PathBuf,
    links: Vec<String>,
    headings: BTreeSet<String>,
}

impl Document {
    fn read(place: PathBuf) -> Self {
        let text = fs::read_to_string(&place).unwrap();
        let (mut links, mut headings, mut heading) = (Vec::new(), BTreeSet::new(), None);
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    headings.insert(name_in_links(&heading.take().unwrap()));
                }
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                _ => {}
            }
        }
        Self { place, links, headings }
    }
}

/// A heading as GitHub names it in links.
fn name_in_links(heading: &str) -> String {
    let kept = |one: &char| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// All Markdown files of the repository, by their places.
fn documents() -> Vec<Document> {
    let root = root();
    let folders = [root.to_path_buf(), root.join("docs"), root.join("docs/results")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let places = files.map(|file| file.unwrap().path());
    places
        .filter(|place| place.extension().is_some_and(|kind| kind == "md"))
        .map(Document::read)
        .collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let documents = documents();
    let mut checked = 0;
    for document in &documents {
        for link in document.links.iter().filter(|link| !link.starts_with("https://")) {
            let (file, heading) = link
                .split_once('#')
                .map_or((&**link, None), |(file, heading)| (file, Some(heading)));
            let place = match file {
                "" => document.place.clone(),
                file => document.place.parent().unwrap().join(file),
            };
            let said = format!("{}: {link}", document.place.display());
            let place = place.canonicalize().unwrap_or_else(|error| panic!("{said}: {error}"));
            if let Some(heading) = heading {
                assert!(
                    of(&documents, &place).headings.contains(heading),
                    "{said}: no such heading"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} links: they are not found any more");
}

/// The document at a place.
fn of<'a>(documents: &'a [Document], place: &Path) -> &'a Document {
    let is_it = |one: &&Document| one.place.canonicalize().is_ok_and(|at| at == place);
    documents.iter().find(is_it).unwrap_or_else(|| panic!("{} has no headings", place.display()))
}
