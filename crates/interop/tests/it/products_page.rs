//! The page of the product application in headless Chromium.

use std::fs;
use std::time::Duration;

use sockeye_interop::{Chromium, Devtools, Fault, Page, Server, scratch};

const SOON: Duration = Duration::from_secs(20);

/// What every step looks at and does.
const HELPERS: &str = "
    window.form = document.getElementById('form');
    window.text = (id) => document.getElementById(id).textContent;
    window.save = (name, price) => {
        form.elements.name.value = name;
        form.elements.price.value = price;
        form.requestSubmit();
    };
    window.found = (name) => [...document.querySelectorAll('#products tr')]
        .find((row) => row.cells[1].textContent === name);
    window.press = (name, label) => [...found(name).querySelectorAll('button')]
        .find((button) => button.textContent === label).click();
    true";

#[test]
fn products_are_edited_and_every_page_of_the_version_hears_it() -> Result<(), Fault> {
    fs::create_dir_all(scratch())?;
    let file = scratch().join(format!("products-{}.db", std::process::id()));
    let mut server = Server::start_products(&file)?;
    let mut chromium = Chromium::start()?;
    let devtools = chromium.devtools();
    let page = open(devtools, &server, "v1")?;
    let second = open(devtools, &server, "v1")?;
    let other = open(devtools, &server, "v2")?;

    page.evaluate(devtools, "save('taza', '2.50')")?;
    for one in [&page, &second] {
        one.until(devtools, "found('taza').cells[2].textContent === '2.50'", SOON)?;
        one.until(devtools, "text('log') === 'created 1: taza, 2.50'", SOON)?;
    }
    second.evaluate(devtools, "press('taza', 'Edit'); save('tazón', '3')")?;
    page.until(devtools, "found('tazón').cells[2].textContent === '3.00' && !found('taza')", SOON)?;

    // What looks like markup is text.
    let markup = "<img src=x onerror=alert(1)>";
    second.until(devtools, "text('save') === 'Create'", SOON)?;
    second.evaluate(devtools, &format!("save('{markup}', '1')"))?;
    page.until(devtools, &format!("found('{markup}')"), SOON)?;
    assert_eq!(page.evaluate(devtools, "document.images.length")?, 0);

    page.evaluate(devtools, "press('tazón', 'Delete')")?;
    for one in [&page, &second] {
        one.until(devtools, "!found('tazón')", SOON)?;
        one.until(devtools, "text('log').startsWith('deleted 1: tazón, 3.00')", SOON)?;
    }
    // A page that comes later has the list, and nothing to tell.
    let late = open(devtools, &server, "v1")?;
    late.until(devtools, &format!("found('{markup}')"), SOON)?;
    assert_eq!(late.evaluate(devtools, "text('log')")?, "");
    assert_eq!(other.evaluate(devtools, "text('log') + text('products')")?, "");

    for one in [&page, &second, &other, &late] {
        let complaints = one.complaints(devtools)?;
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
    server.interrupt(SOON)?;
    page.until(devtools, "document.getElementById('state').dataset.state === 'closed'", SOON)?;
    fs::remove_file(&file)?;
    Ok(())
}

fn open(devtools: &mut Devtools, server: &Server, version: &str) -> Result<Page, Fault> {
    let url = format!("http://{}/?version={version}", server.address());
    let page = Page::open(devtools, &url, 1000, 700)?;
    page.until(devtools, "document.readyState === 'complete'", SOON)?;
    page.evaluate(devtools, HELPERS)?;
    page.until(devtools, &format!("text('state') === 'open: {version}'"), SOON)?;
    Ok(page)
}
