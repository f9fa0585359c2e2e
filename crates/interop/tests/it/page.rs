//! The page of `sockeye serve` in headless Chromium: every panel works, and nothing complains.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sockeye_interop::{Chromium, Devtools, Fault, Page, Server, scratch};

const SOON: Duration = Duration::from_secs(20);

/// What every step looks at: the panel's state, and the text of an element.
const HELPERS: &str = "
    window.state = (panel) => document.querySelector(`[data-panel=${panel}]`).dataset.state;
    window.shown = (panel) => document.querySelector(`[data-panel=${panel}] [data-role=state]`).textContent;
    window.text = (id) => document.getElementById(id).textContent;
    window.fill = (id, value) => { document.getElementById(id).value = value; };
    window.choose = (id, value) => { fill(id, value); document.getElementById(id).dispatchEvent(new Event('change')); };
    window.submit = (id) => document.getElementById(id).requestSubmit();
    window.count = (id, part) => text(id).split(part).length - 1;
    true";

#[test]
fn every_panel_works_and_the_console_is_silent() -> Result<(), Fault> {
    let mut server = Server::start()?;
    let mut chromium = Chromium::start()?;
    let devtools = chromium.devtools();
    let page = open(devtools, &server)?;

    echo(devtools, &page)?;
    dialogue(devtools, &page)?;
    ticker(devtools, &page)?;
    let second = open(devtools, &server)?;
    chat(devtools, &page, &second)?;
    products(devtools, &page, &second)?;
    figures(devtools, &page)?;
    only_this_server(devtools, &page, &server);
    for page in [&page, &second] {
        let complaints = page.complaints(devtools)?;
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
    picture(devtools, &page)?;

    // After this the page tries to come back and the browser logs that it cannot, so nobody looks at the console again.
    server.interrupt(SOON)?;
    for panel in ["echo", "ticker", "chat", "products", "figures"] {
        page.until(devtools, &format!("window.closes[{panel:?}] === 1001"), SOON)?;
    }
    Ok(())
}

/// Opens the page and waits until all of its panels are connected.
fn open(devtools: &mut Devtools, server: &Server) -> Result<Page, Fault> {
    let page = Page::open(devtools, &format!("http://{}/", server.address()), 1440, 800)?;
    page.until(
        devtools,
        "document.readyState === 'complete' && document.querySelector('[data-panel]')",
        SOON,
    )?;
    page.evaluate(devtools, HELPERS)?;
    page.until(devtools, "[...document.querySelectorAll('[data-panel]')].every((one) => one.dataset.state === 'open')", SOON)?;
    assert_eq!(page.evaluate(devtools, "text('summary')")?, "6 of 6 panels connected");
    // Remembers the first close code of each panel, which the page itself shows only until it reconnects.
    let watch = "window.closes = {}; for (const one of document.querySelectorAll('[data-panel]')) {
        new MutationObserver(() => {
            const code = /closed (\\d+)/.exec(one.querySelector('[data-role=state]').textContent);
            if (code) closes[one.dataset.panel] ??= Number(code[1]);
        }).observe(one, { subtree: true, childList: true, characterData: true });
    } true";
    page.evaluate(devtools, watch)?;
    Ok(page)
}

fn echo(devtools: &mut Devtools, page: &Page) -> Result<(), Fault> {
    page.evaluate(devtools, "fill('echo-text', '¡Hola, 鮭! 🐟'); submit('echo-form')")?;
    page.until(devtools, "text('echo-heard') === '“¡Hola, 鮭! 🐟” came back'", SOON)?;
    page.evaluate(
        devtools,
        "fill('echo-text', '¡Hola, sockeye!'); document.getElementById('echo-burst').click()",
    )?;
    page.until(devtools, "text('echo-count') === '101'", SOON)?;
    page.until(devtools, "/^[0-9.]+ ms$/.test(text('echo-median'))", SOON)?;
    assert_eq!(
        page.evaluate(devtools, "document.querySelectorAll('#echo-chart rect').length")?,
        64
    );
    Ok(())
}

fn dialogue(devtools: &mut Devtools, page: &Page) -> Result<(), Fault> {
    for (answer, questions) in [("", 1), ("Ana", 2), ("a few", 3), ("33", 4)] {
        let asked = "document.querySelectorAll('#dialogue-log p:not(.mine)').length";
        page.until(devtools, &format!("{asked} === {questions}"), SOON)?;
        page.evaluate(
            devtools,
            &format!("fill('dialogue-text', {answer:?}); submit('dialogue-form')"),
        )?;
    }
    page.until(
        devtools,
        "text('dialogue-log').includes(\"You're Ana, and you are 33 old.\")",
        SOON,
    )?;
    page.until(devtools, "shown('dialogue') === 'closed 1000'", SOON)?;
    page.evaluate(devtools, "document.getElementById('dialogue-again').click()")?;
    page.until(devtools, "state('dialogue') === 'open' && count('dialogue-log', '?') === 1", SOON)?;
    Ok(())
}

fn ticker(devtools: &mut Devtools, page: &Page) -> Result<(), Fault> {
    page.until(devtools, "Number(text('ticker-count')) >= 3", SOON)?;
    page.until(devtools, "/^\\d\\d:\\d\\d:\\d\\d$/.test(text('ticker-time'))", SOON)?;
    let behind = "Math.abs(Date.now() - Date.parse(text('ticker-raw').split('-> ')[1]))";
    let behind = page.evaluate(devtools, behind)?.as_f64().ok_or("the tick holds no time")?;
    assert!(behind < 10_000.0, "the clock shows another time: {behind} ms off");
    Ok(())
}

fn chat(devtools: &mut Devtools, page: &Page, second: &Page) -> Result<(), Fault> {
    page.evaluate(devtools, "fill('chat-name', 'Ana'); fill('chat-text', 'Salmon & trout, anybody? <3'); submit('chat-form')")?;
    second.until(devtools, "text('chat-log').includes('AnaSalmon & trout, anybody? <3')", SOON)?;
    second.evaluate(
        devtools,
        "fill('chat-name', 'Bo'); fill('chat-text', 'Both: always'); submit('chat-form')",
    )?;
    for one in [page, second] {
        one.until(devtools, "text('chat-log').includes('BoBoth: always')", SOON)?;
    }
    Ok(())
}

fn products(devtools: &mut Devtools, page: &Page, second: &Page) -> Result<(), Fault> {
    page.evaluate(devtools, "fill('products-name', 'Smoked salmon'); submit('products-form')")?;
    for one in [page, second] {
        one.until(devtools, "text('products-v1').includes('Smoked salmon')", SOON)?;
    }
    let number = "/created(\\d+) Smoked salmon/.exec(text('products-v1'))[1]";
    let change = "choose('products-action', 'update'); fill('products-name', 'Fresh salmon')";
    page.evaluate(
        devtools,
        &format!("fill('products-id', {number}); {change}; submit('products-form')"),
    )?;
    second.until(
        devtools,
        &format!("text('products-v1').includes('updated' + {number} + ' Fresh salmon')"),
        SOON,
    )?;
    page.evaluate(devtools, "choose('products-action', 'delete'); submit('products-form')")?;
    second.until(devtools, &format!("text('products-v1').includes('deleted' + {number})"), SOON)?;
    assert_eq!(second.evaluate(devtools, "text('products-v2')")?, "", "the other version was told");
    page.evaluate(devtools, "fill('products-id', '999'); submit('products-form')")?;
    page.until(
        devtools,
        "text('products-answer').includes('999') && !text('products-answer').startsWith('sent')",
        SOON,
    )?;
    let create = "choose('products-action', 'create'); fill('products-version', 'v2'); fill('products-name', 'Trout')";
    page.evaluate(devtools, &format!("{create}; submit('products-form')"))?;
    second.until(
        devtools,
        "text('products-v2').includes('Trout') && !text('products-v1').includes('Trout')",
        SOON,
    )?;
    Ok(())
}

fn figures(devtools: &mut Devtools, page: &Page) -> Result<(), Fault> {
    // Two pages hold seven sockets each.
    page.until(devtools, "Number(text('figures-connections')) >= 14", SOON)?;
    page.until(
        devtools,
        "Number(text('figures-messages-received').replaceAll(',', '')) >= 101",
        SOON,
    )?;
    page.until(
        devtools,
        "parseFloat(text('figures-messages')) > 0 && text('figures-drops') === '0'",
        SOON,
    )?;
    page.until(devtools, "/^[0-9.]+ kB$/.test(text('figures-bytes-sent'))", SOON)?;
    page.until(devtools, "document.querySelectorAll('#figures-chart path').length === 2", SOON)?;
    Ok(())
}

/// The page asks nobody else for anything.
fn only_this_server(devtools: &Devtools, page: &Page, server: &Server) {
    let root = format!("http://{}/", server.address());
    let requests: Vec<_> =
        page.requests(devtools).into_iter().filter(|url| !url.starts_with("data:")).collect();
    assert_eq!(requests, [root]);
    let sockets = page.sockets(devtools);
    assert!(sockets.len() >= 7, "{sockets:?}");
    assert!(sockets.iter().all(|url| url.starts_with(&server.url("/"))), "{sockets:?}");
}

/// Leaves a picture of the page in `target/interop`, or in `docs` when `SOCKEYE_SCREENSHOT=docs` asks for it.
fn picture(devtools: &mut Devtools, page: &Page) -> Result<(), Fault> {
    page.evaluate(devtools, "fill('dialogue-text', 'Ana'); submit('dialogue-form')")?;
    // A burst after each tick gives the charts something to show.
    for burst in 2..=6 {
        page.evaluate(
            devtools,
            "window.tick = text('ticker-raw'); document.getElementById('echo-burst').click()",
        )?;
        let passed =
            format!("text('echo-count') === '{burst}01' && text('ticker-raw') !== window.tick");
        page.until(devtools, &passed, SOON)?;
    }
    let image = page.screenshot(devtools)?;
    assert!(image.starts_with(b"\x89PNG"), "not a PNG image");
    let folder = if std::env::var("SOCKEYE_SCREENSHOT").is_ok_and(|value| value == "docs") {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    } else {
        scratch()
    };
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("page.png"), image)?;
    Ok(())
}
