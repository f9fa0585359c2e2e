//! Paths that are meant to lead elsewhere.

use sockeye::testing::TestServer;
use sockeye::{Server, plain};

use crate::attacks::status;

/// What the page answers: which route it was, and what its parameters are.
fn server() -> TestServer {
    let builder = Server::builder()
        .get("/admin", |_| plain("admin"))
        .get("/files/{name}", |request| plain(format!("file {:?}", request.param("name"))))
        .get("/a/{x}/b/{y}", |request| {
            plain(format!("{:?} {:?}", request.param("x"), request.param("y")))
        });
    TestServer::new(builder).expect("valid routes")
}

/// A path, the status, and the body of a 200.
const PATHS: [(&str, u16, &str); 38] = [
    ("/files/salmon", 200, r#"file "salmon""#),
    // Dots are names like any other: nothing is taken out of a path.
    ("/files/..", 200, r#"file "..""#),
    ("/files/.", 200, r#"file ".""#),
    ("/files/%2e%2e", 200, r#"file "..""#),
    ("/files/%2E%2E", 200, r#"file "..""#),
    ("/files/../admin", 404, ""),
    ("/files/%2e%2e/admin", 404, ""),
    ("/./admin", 404, ""),
    ("/admin/", 404, ""),
    ("//admin", 404, ""),
    ("/admin//", 404, ""),
    ("/ADMIN", 404, ""),
    ("/%61dmin", 200, "admin"),
    ("/%2561dmin", 404, ""),
    // An encoded slash is a character of its segment.
    ("/files/a%2fb", 200, r#"file "a/b""#),
    ("/files%2fsalmon", 404, ""),
    ("/files/..%2f..%2fadmin", 200, r#"file "../../admin""#),
    ("/files/..%5cadmin", 200, r#"file "..\\admin""#),
    // Decoded once.
    ("/files/%252e%252e", 200, r#"file "%2e%2e""#),
    ("/files/%25", 200, r#"file "%""#),
    ("/files/%2500", 200, r#"file "%00""#),
    ("/files/%00", 200, r#"file "\0""#),
    ("/files/a%0d%0ab", 200, r#"file "a\r\nb""#),
    ("/files/%C3%B1", 200, r#"file "ñ""#),
    ("/files/+", 200, r#"file "+""#),
    // No escapes, and no UTF-8: overlong, a surrogate, cut short, out of range.
    ("/files/%", 400, ""),
    ("/files/%2", 400, ""),
    ("/files/%zz", 400, ""),
    ("/files/%+1", 400, ""),
    ("/files/%u0041", 400, ""),
    ("/files/%c0%af", 400, ""),
    ("/files/%ed%a0%80", 400, ""),
    ("/files/%c3", 400, ""),
    ("/files/%f4%90%80%80", 400, ""),
    ("/nowhere/%ff", 400, ""),
    // Parameters are whole segments, and not empty.
    ("/files/", 404, ""),
    ("/a//b/c", 404, ""),
    ("/a/1/b/2%2Fb", 200, r#""1" "2/b""#),
];

#[test]
fn attack_27_a_path_leads_where_its_segments_say_and_nowhere_else() {
    let mut server = server();
    for (path, expected, body) in PATHS {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = server.respond(request.as_bytes());
        assert_eq!(status(answer.as_bytes()), expected, "{path}: {answer}");
        if expected == 200 {
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{path}: {answer}");
        }
    }
}

#[test]
fn attack_27_long_paths_are_read_to_their_limit_and_no_further() {
    let mut server = server();
    let name = "x".repeat(4096);
    let encoded = "%78".repeat(2000);
    for (path, expected) in [
        (format!("/files/{name}"), 200),
        (format!("/files/{encoded}"), 200),
        ("/".repeat(8000), 404),
        ("/a".repeat(4000), 404),
        // The target's limit of 8 KiB.
        ("/a".repeat(10_000), 414),
        ("/".repeat(10_000), 414),
        ("/%61".repeat(4000), 414),
    ] {
        let answer = server.respond(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes());
        assert_eq!(status(answer.as_bytes()), expected, "{} bytes of {}", path.len(), &path[..4]);
    }
}
