//! Pictures of every screen, in both themes and at every size: for people to look at, and
//! for the documents. Made where `ADDRESSBOOK_PICTURES` names a directory.

use std::path::PathBuf;

use crate::book::Book;
use crate::browser::{Browser, DESK};
use crate::screens::{SIZES, THEMES};

const VARIABLE: &str = "ADDRESSBOOK_PICTURES";

#[test]
fn every_screen_has_its_picture_taken() {
    let Some(directory) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        eprintln!("skipped: {VARIABLE} names no directory for pictures");
        return;
    };
    let book = Book::new();
    let Some(page) = Browser::start(DESK) else {
        return;
    };
    std::fs::create_dir_all(&directory).unwrap();
    book.walk(&page, |place| {
        for theme in THEMES {
            page.prefers(theme);
            for (width, height) in SIZES {
                page.resize(width, height);
                page.settles();
                let name = format!("{place}-{width}-{theme}.png");
                std::fs::write(directory.join(name), page.picture()).unwrap();
            }
        }
    });
}
