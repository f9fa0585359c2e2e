//! Lists of subprotocols and extensions (RFC 6455 sections 4.3 and 9.1).

use super::*;
use sockeye_protocol::handshake::HandshakeError as Error;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

fn subprotocols(values: &[&[u8]]) -> Vec<String> {
    let request = upgrade_with(PROTOCOL, values);
    let head = head_of(&request);
    head.upgrade().expect("the offer is valid").subprotocols().map(String::from).collect()
}

/// The offers, written out again without the liberties of the grammar.
fn extensions(values: &[&[u8]]) -> Vec<String> {
    let request = upgrade_with(EXTENSIONS, values);
    let head = head_of(&request);
    let offers = head.upgrade().expect("the offer is valid").extension_offers();
    let written = offers.map(|offer| {
        offer.parameters().fold(offer.name().to_string(), |written, (name, value)| match value {
            Some(value) => format!("{written};{name}={value}"),
            None => format!("{written};{name}"),
        })
    });
    written.collect()
}

#[test]
fn hss_11_subprotocols_may_be_split_over_lines() {
    for values in
        [&[&b"a, b,c"[..]][..], &[b"a", b"b", b"c"], &[b"a,b", b"c"], &[b",a ,", b"", b" \t,b,,c"]]
    {
        assert_eq!(subprotocols(values), ["a", "b", "c"]);
        check("split", &upgrade_with(PROTOCOL, values), &Upgrade);
    }
    assert!(subprotocols(&[]).is_empty());
    // Tokens are compared as they stand.
    assert_eq!(subprotocols(&[b"a,A"]), ["a", "A"]);
}

#[test]
fn hdr_10_subprotocols_are_tokens_and_unique() {
    for value in [
        &b""[..],
        b" ",
        b",",
        b" , ",
        b"a b",
        b"a;b",
        b"a/b",
        b"\"a\"",
        b"a, b c",
        b"\xff",
        b"a\xff",
        b"(a)",
        b"a=b",
    ] {
        let name = value.escape_ascii().to_string();
        check(&name, &upgrade_with(PROTOCOL, &[value]), &Faulty(Error::Subprotocols));
    }
    for values in [&[&b"a,a"[..]][..], &[b"a", b"a"], &[b"a,b,c", b"d, b"]] {
        check("twice", &upgrade_with(PROTOCOL, values), &Faulty(Error::SubprotocolRepeated));
    }
    let list = |len: usize| (0..len).map(|index| format!("p{index}")).collect::<Vec<_>>().join(",");
    check("64", &upgrade_with(PROTOCOL, &[list(64).as_bytes()]), &Upgrade);
    check(
        "65",
        &upgrade_with(PROTOCOL, &[list(65).as_bytes()]),
        &Faulty(Error::TooManySubprotocols),
    );
    check(
        "65",
        &upgrade_with(PROTOCOL, &[list(64).as_bytes(), b"x"]),
        &Faulty(Error::TooManySubprotocols),
    );
}

#[test]
fn hss_12_ext_04_ext_06_extensions_may_be_split_over_lines() {
    for values in [
        &[&b"foo;a=1, bar, permessage-deflate;b"[..]][..],
        &[b"foo;a=1", b"bar", b"permessage-deflate;b"],
        &[b" foo ; a=1 ,", b",bar,,permessage-deflate\t;\tb"],
        &[b"foo; a=\"1\"", b", bar", b"", b"permessage-deflate; b"],
    ] {
        assert_eq!(extensions(values), ["foo;a=1", "bar", "permessage-deflate;b"]);
        check("split", &upgrade_with(EXTENSIONS, values), &Upgrade);
    }
    assert!(extensions(&[]).is_empty());
}

#[test]
fn hdr_07_quoted_values_are_tokens_after_unescaping() {
    for (value, read) in [
        (&b"x; a=\"12\""[..], "x;a=12"),
        (b"x; a=\"1\\2\"", "x;a=12"),
        (b"x; a=\"\\1\\2\"; b", "x;a=12;b"),
        (b"x; a=\"b\" , y", "x;a=b"),
    ] {
        assert_eq!(extensions(&[value])[0], read);
    }
    let request = upgrade_with(EXTENSIONS, &[b"x; a=\"1\\2\"; b=12"]);
    let head = head_of(&request);
    let offer = head.upgrade().unwrap().extension_offers().next().expect("an offer");
    for (_, value) in offer.parameters() {
        let value = value.expect("a value");
        assert!(
            value == *"12" && value != *"1" && value != *"1\\2" && value != *"" && value != *"13"
        );
        assert_eq!(value.to_string(), "12");
    }
    for value in [
        &b"x; a=\"a b\""[..],
        b"x; a=\"\"",
        b"x; a=\"a,b\"",
        b"x; a=\"a;b\"",
        b"x; a=\"a\\\"b\"",
        b"x; a=\"\\\\\"",
        b"x; a=\"\\ \"",
        b"x; a=\"\xff\"",
        b"x; a=\"\\\xff\"",
        b"x; a=\"a",
        b"x; a=\"a\\",
        b"x; a=\"",
        b"x; a=\"a\"b",
        b"x; a=b\"c\"",
        b"x; \"a\"",
        b"\"x\"",
        b"x; a=\"b\"\"c\"",
    ] {
        let name = value.escape_ascii().to_string();
        check(&name, &upgrade_with(EXTENSIONS, &[value]), &Faulty(Error::Extensions));
    }
}

#[test]
fn hdr_08_hdr_09_malformed_extensions_are_refused() {
    for value in [
        &b""[..],
        b" ",
        b",",
        b";",
        b"=",
        b"a;",
        b"a; ",
        b"a;;b",
        b"a=",
        b"a=b",
        b"a;b=",
        b"a;=b",
        b"a;b=c=d",
        b"a b",
        b"a;b c",
        b"a;b=c d",
        b"a;b =c",
        b"a;b= c",
        b"a;b==c",
        b"a,;b",
        b"a;,b",
        b"a/b",
        b"\xff",
        b"a;\xff",
        b"a;b=\xff",
        b"a\xff",
        b"(a)",
        b"a;b=(c)",
        b"a:b",
        b"a, b;",
        b"a;b=c\\d",
        b"{}",
        b"a\\",
    ] {
        let name = value.escape_ascii().to_string();
        check(&name, &upgrade_with(EXTENSIONS, &[value]), &Faulty(Error::Extensions));
    }
    for value in [
        &b"a"[..],
        b"a;b",
        b"a;b=c",
        b"a , b",
        b",a",
        b"a,",
        b"a;b;b;b=c;b=d",
        b"a,a",
        b"!#$%&'*+-.^_`|~;~=~",
    ] {
        check("well-formed", &upgrade_with(EXTENSIONS, &[value]), &Upgrade);
    }
}

#[test]
fn hdr_09_one_malformed_line_spoils_the_others() {
    for values in [[&b"a;"[..], b"b"], [b"b", b"a;"], [b"a=b", b""], [b"a", b";"]] {
        check("one of two", &upgrade_with(EXTENSIONS, &values), &Faulty(Error::Extensions));
    }
    for values in [[&b"a"[..], b"b c"], [b"b c", b"a"]] {
        check("one of two", &upgrade_with(PROTOCOL, &values), &Faulty(Error::Subprotocols));
    }
}

#[test]
fn hdr_15_ext_10_extensions_are_bounded() {
    let list = |len: usize, between: &str| vec!["x"; len].join(between);
    for (name, value, verdict) in [
        ("32 extensions", list(32, ","), Upgrade),
        ("33 extensions", list(33, ","), Faulty(Error::TooManyExtensions)),
        ("16 parameters", list(17, ";"), Upgrade),
        ("17 parameters", list(18, ";"), Faulty(Error::TooManyExtensions)),
        ("32 extensions of 16 parameters", [list(17, ";").as_str(); 32].join(","), Upgrade),
    ] {
        check(name, &upgrade_with(EXTENSIONS, &[value.as_bytes()]), &verdict);
    }
    let (some, more) = (list(20, ","), list(13, ","));
    let request = upgrade_with(EXTENSIONS, &[some.as_bytes(), more.as_bytes()]);
    check("over two lines", &request, &Faulty(Error::TooManyExtensions));
}

/// With a megabyte of each, anything worse than linear would be noticed by whoever waits for this
/// test.
#[test]
fn hdr_15_threat_h4_long_values_take_linear_time() {
    let limits = HeadLimits { head_bytes_max: 4 << 20, ..HeadLimits::default() };
    let long = |unit: &[u8]| unit.repeat((1 << 20) / unit.len());
    for unit in [
        &b","[..],
        b" ",
        b"\"",
        b"a ",
        b", ",
        b"a,",
        b"a;",
        b";",
        b"\\",
        b"=",
        b"a=\"",
        b"aa",
        b",\t",
    ] {
        let filler = long(unit);
        for (name, value) in [
            (PROTOCOL, [&b"a"[..], &filler, b"b"].concat()),
            (EXTENSIONS, [&b"a; b=\""[..], &filler].concat()),
            (EXTENSIONS, [&b"a"[..], &filler, b"b"].concat()),
            ("Upgrade", [&b"websocket"[..], &filler].concat()),
            ("Connection", filler.clone()),
            ("X", filler.clone()),
        ] {
            let request = upgrade_with(name, &[&value]);
            let verdict = receive(limits, &request, [request.len()]);
            assert_ne!(verdict, Incomplete, "{name}: {}", unit.escape_ascii());
        }
    }
}
