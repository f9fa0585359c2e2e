//! The REST API, over real sockets.

use serde_json::{Value, json};

use crate::http::ask_with;
use crate::running::{Running, soon};
use crate::scratch::Scratch;

const ROOT: &str = "/api/v1/productos";

#[tokio::test]
async fn a_product_is_created_read_changed_and_deleted() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let answer = app.ask("POST", ROOT, Some(&json!({"name": "taza", "price_cents": 250}))).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("Location"), Some("/api/v1/productos/1"));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let created = json!({"id": 1, "revision": 1, "name": "taza", "price_cents": 250});
    assert_eq!(answer.json(), created);

    let one = format!("{ROOT}/1");
    assert_eq!(app.ask("GET", &one, None).await.json(), created);
    let answer = app.ask("PUT", &one, Some(&json!({"name": "tazón", "price_cents": 300}))).await;
    assert_eq!(answer.status, 200);
    let changed = json!({"id": 1, "revision": 2, "name": "tazón", "price_cents": 300});
    assert_eq!(answer.json(), changed);
    assert_eq!(app.ask("GET", ROOT, None).await.json(), json!([changed]));

    let answer = app.ask("DELETE", &one, None).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(app.ask("GET", &one, None).await.status, 404);
    assert_eq!(app.ask("GET", ROOT, None).await.json(), json!([]));
    app.stop().await;
}

#[tokio::test]
async fn the_list_comes_a_page_at_a_time() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    for name in ["a", "b", "c"] {
        app.create("v1", name).await;
    }
    let names = |list: Value| -> Vec<String> {
        let list = list.as_array().expect("a list").clone();
        list.iter().map(|product| product["name"].as_str().expect("a name").to_owned()).collect()
    };
    let table = [
        ("", vec!["a", "b", "c"]),
        ("?limit=2", vec!["a", "b"]),
        ("?after=2", vec!["c"]),
        ("?after=1&limit=1", vec!["b"]),
        ("?after=9", vec![]),
        ("?limit=4294967295", vec!["a", "b", "c"]),
    ];
    for (query, expected) in table {
        let answer = app.ask("GET", &format!("{ROOT}{query}"), None).await;
        assert_eq!(names(answer.json()), expected, "{query}");
    }
    assert_eq!(app.ask("GET", "/api/v2/productos", None).await.json(), json!([]));
    app.stop().await;
}

#[tokio::test]
async fn what_is_wrong_has_a_status_and_a_name() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    app.create("v1", "taza").await;
    app.create("v1", "plato").await;
    let good = r#"{"name": "jarra", "price_cents": 1}"#;
    let long = format!(r#"{{"name": "{}", "price_cents": 1}}"#, "x".repeat(101));
    let huge = format!(r#"{{"name": "{}", "price_cents": 1}}"#, "x".repeat(20_000));
    let json = |body| Some(("application/json", body));
    let table = [
        ("POST", ROOT, json(r#"{"name": " ", "price_cents": 1}"#), 422, "name_empty"),
        ("POST", ROOT, json(&*long), 422, "name_too_long"),
        ("POST", ROOT, json(r#"{"name": "a\u0000", "price_cents": 1}"#), 422, "name_unprintable"),
        ("POST", ROOT, json(r#"{"name": "a", "price_cents": -1}"#), 422, "price_out_of_range"),
        ("POST", ROOT, json(r#"{"name": "taza", "price_cents": 1}"#), 409, "name_taken"),
        ("POST", ROOT, json(r#"{"name": "a"}"#), 422, "no_draft"),
        ("POST", ROOT, json(r#"{"name": "a", "price_cents": 1, "id": 9}"#), 422, "no_draft"),
        ("POST", ROOT, json(r#"{"name": "a", "price_cents": 1.5}"#), 422, "no_draft"),
        ("POST", ROOT, json(r#"{"name": "#), 400, "no_json"),
        ("POST", ROOT, json(""), 400, "no_json"),
        ("POST", ROOT, Some(("text/plain", good)), 415, "no_json_type"),
        ("POST", ROOT, None, 415, "no_json_type"),
        ("POST", ROOT, json(&*huge), 413, "bad_body"),
        ("POST", "/api/one/productos", json(good), 404, "no_such_page"),
        (
            "PUT",
            "/api/v1/productos/1",
            json(r#"{"name": "plato", "price_cents": 1}"#),
            409,
            "name_taken",
        ),
        (
            "PUT",
            "/api/v1/productos/1",
            json(r#"{"name": "", "price_cents": 1}"#),
            422,
            "name_empty",
        ),
        ("PUT", "/api/v1/productos/99", json(good), 404, "no_such_product"),
        ("PUT", "/api/v2/productos/1", json(good), 404, "no_such_product"),
        ("DELETE", "/api/v1/productos/99", None, 404, "no_such_product"),
        ("DELETE", "/api/v2/productos/1", None, 404, "no_such_product"),
        ("GET", "/api/v1/productos/x", None, 404, "no_such_page"),
        ("GET", "/api/v1/productos/99999999999999999999", None, 404, "no_such_page"),
        ("GET", "/api/v1/productos?after=x", None, 400, "bad_query"),
        ("GET", "/api/v1/productos?limit=-1", None, 400, "bad_query"),
        ("GET", "/nothing", None, 404, "no_such_page"),
        ("DELETE", ROOT, None, 405, "wrong_method"),
    ];
    let before = app.ask("GET", ROOT, None).await.body;
    for (method, path, body, status, error) in table {
        let answer = soon(ask_with(app.address, method, path, body)).await;
        let said = answer.json();
        assert_eq!(
            (answer.status, &said["error"]),
            (status, &json!(error)),
            "{method} {path} {body:?}"
        );
        assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()), "{said}");
    }
    assert_eq!(app.ask("GET", ROOT, None).await.body, before);
    app.stop().await;
}

#[tokio::test]
async fn products_outlive_the_program() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    app.create("v1", "taza").await;
    let before = app.ask("GET", ROOT, None).await.body;
    app.stop().await;
    let app = Running::start(&scratch);
    assert_eq!(app.ask("GET", ROOT, None).await.body, before);
    assert_eq!(app.create("v1", "plato").await, 2);
    app.stop().await;
}

/// Of all that want one name at once, one gets it.
#[tokio::test]
async fn a_name_is_given_once() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let draft = json!({"name": "taza", "price_cents": 1});
    let ask = || app.ask("POST", ROOT, Some(&draft));
    let (one, two, three, four) = tokio::join!(ask(), ask(), ask(), ask());
    let mut statuses = [one.status, two.status, three.status, four.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    app.stop().await;
}

#[tokio::test]
async fn the_page_finds_what_it_asks_for() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let page = app.ask("GET", "/", None).await;
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    let policy = "default-src 'self'; img-src data:; frame-ancestors 'none'";
    assert_eq!(page.header("Content-Security-Policy"), Some(policy));
    for (name, kind) in [("page.js", "text/javascript"), ("page.css", "text/css")] {
        assert!(page.body.contains(&format!("\"{name}\"")), "{name}");
        let answer = app.ask("GET", &format!("/{name}"), None).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Content-Type"), Some(&*format!("{kind}; charset=utf-8")));
    }
    let script = app.ask("GET", "/page.js", None).await.body;
    for path in ["`/api/${", "/ws/${"] {
        assert!(script.contains(path), "{path}");
    }
    app.stop().await;
}
