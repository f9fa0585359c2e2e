//! `ws` and `wss` URIs (RFC 6455 section 3).

use super::*;
use sockeye_protocol::handshake::UrlError;

#[track_caller]
fn check_url(text: &str, secure: bool, host: &str, port: u16, authority: &str, resource: &str) {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((url.is_secure(), url.host(), url.port()), (secure, host, port), "{text}");
    assert_eq!((url.authority().as_str(), url.resource()), (authority, resource), "{text}");
    // What it prints is what it is.
    assert_eq!(url.to_string().parse(), Ok(url), "{text}");
}

#[track_caller]
fn check_refused(texts: &[&str], error: UrlError) {
    for text in texts {
        assert_eq!(Url::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn uri_01_uri_02_fragments() {
    check_refused(
        &["ws://h/p#f", "ws://h#", "ws://h/#", "ws://h?a#b", "ws://#h"],
        UrlError::Fragment,
    );
    check_url("ws://h/a%23b", false, "h", 80, "h", "/a%23b");
}

#[test]
fn uri_03_uri_07_hsc_11_schemes_and_ports() {
    check_url("ws://h/", false, "h", 80, "h", "/");
    check_url("wss://h/", true, "h", 443, "h", "/");
    check_url("ws://h:80/", false, "h", 80, "h", "/");
    check_url("wss://h:443/", true, "h", 443, "h", "/");
    check_url("ws://h:443/", false, "h", 443, "h:443", "/");
    check_url("wss://h:80/", true, "h", 80, "h:80", "/");
    check_url("ws://h:65535", false, "h", 65535, "h:65535", "/");
    check_url("ws://h:/", false, "h", 80, "h", "/");
    check_url("ws://h:0080/", false, "h", 80, "h", "/");
    check_url("WSS://h/", true, "h", 443, "h", "/");
    check_url("wSs://h/", true, "h", 443, "h", "/");
    check_url("Ws://H.Example/A", false, "h.example", 80, "h.example", "/A");
    check_refused(
        &[
            "http://h/",
            "https://h/",
            "file:///h",
            "h",
            "",
            "ws:h",
            "ws:/h",
            "://h",
            " ws://h",
            "wsss://h",
            "ws ://h",
        ],
        UrlError::Scheme,
    );
}

#[test]
fn uri_04_resources() {
    for (text, resource) in [
        ("ws://h", "/"),
        ("ws://h/", "/"),
        ("ws://h?x=1", "/?x=1"),
        ("ws://h/p?", "/p?"),
        ("ws://h/p", "/p"),
        ("ws://h/a//b/../c", "/a//b/../c"),
        ("ws://h?a/b?c", "/?a/b?c"),
        ("ws://h/@:", "/@:"),
        ("ws://h/!$&'()*+,;=-._~", "/!$&'()*+,;=-._~"),
        ("ws://h/[a]", "/[a]"),
    ] {
        check_url(text, false, "h", 80, "h", resource);
    }
}

#[test]
fn uri_05_invalid_parts_are_refused() {
    check_refused(
        &[
            "ws://h:0",
            "ws://h:65536",
            "ws://h:-1",
            "ws://h:+1",
            "ws://h:x",
            "ws://h:1 ",
            "ws://h:99999999999",
            "ws://h:1:2",
            "ws://[::1]:0",
        ],
        UrlError::Port,
    );
    check_refused(
        &[
            "ws://",
            "ws:///p",
            "ws://?q",
            "ws://:80",
            "ws:// h",
            "ws://h h",
            "ws://h\r\n",
            "ws://h\0/",
            "ws://h%20/",
            "ws://h\\p",
            "ws://h,i",
            "ws://(h)",
            "ws://h\t",
            "ws://<h>",
        ],
        UrlError::Host,
    );
    check_refused(
        &[
            "ws://h/ ",
            "ws://h/a b",
            "ws://h/\r\nEvil: 1",
            "ws://h/\0",
            "ws://h/\x7f",
            "ws://h/\t",
            "ws://h?a b",
            "ws://h?\n",
            "ws://h/a\\b",
            "ws://h/%",
            "ws://h/%2",
            "ws://h/%zz",
            "ws://h/%2x",
            "ws://h/%%41",
        ],
        UrlError::Resource,
    );
}

#[test]
fn attack_26_uri_05_every_character_in_every_part() {
    for character in (0..=255).map(char::from) {
        for text in [
            format!("ws{character}://h/p"),
            format!("ws://h{character}h/p"),
            format!("ws://h:8{character}0/p"),
            format!("ws://h/p{character}p"),
            format!("ws://h/p?q{character}q"),
        ] {
            if let Ok(url) = Url::parse(&text) {
                let sent = start(&ClientRequest::new(&url), HeadLimits::default()).1;
                let foreign =
                    sent.bytes().filter(|byte| !matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
                assert_eq!(foreign.count(), 0, "{text:?}: {sent:?}");
                assert_eq!(
                    sent.lines().next().unwrap().split(' ').count(),
                    3,
                    "{text:?}: {sent:?}"
                );
                assert_eq!(sent.matches("\r\n").count(), 7, "{text:?}: {sent:?}");
            }
        }
    }
}

#[test]
fn uri_06_other_alphabets() {
    check_refused(&["ws://bücher.example/", "ws://例え/"], UrlError::HostNotAscii);
    assert!(UrlError::HostNotAscii.to_string().contains("xn--"));
    check_url(
        "ws://xn--bcher-kva.example/",
        false,
        "xn--bcher-kva.example",
        80,
        "xn--bcher-kva.example",
        "/",
    );
    check_url("ws://h/ü?ä=例", false, "h", 80, "h", "/%C3%BC?%C3%A4=%E4%BE%8B");
    check_url("ws://h/\"<>^`{|}", false, "h", 80, "h", "/%22%3C%3E%5E%60%7B%7C%7D");
}

#[test]
fn uri_08_addresses() {
    check_url("ws://[::1]:9/", false, "::1", 9, "[::1]:9", "/");
    check_url("wss://[2001:DB8::1]", true, "2001:db8::1", 443, "[2001:db8::1]", "/");
    check_url("ws://127.0.0.1:9001/echo", false, "127.0.0.1", 9001, "127.0.0.1:9001", "/echo");
    check_refused(
        &[
            "ws://::1/",
            "ws://[::1",
            "ws://[]/",
            "ws://[h]/",
            "ws://[::1]x/",
            "ws://[fe80::1%25eth0]/",
            "ws://h]/",
        ],
        UrlError::Host,
    );
}

#[test]
fn uri_09_no_user_names() {
    for text in ["ws://u:p4ss@h/", "ws://u@h/", "ws://@h/", "ws://u:p4ss@[::1]:1/"] {
        let error = Url::parse(text).expect_err("user names are refused");
        assert_eq!(error, UrlError::UserInfo);
        assert!(!format!("{error} {error:?}").contains("p4ss"));
    }
}
