//! Whose pages may open a socket (RFC 6455 section 10.2).

/// A browser sends the page's origin along, and nothing else stops a foreign page from using a visitor's cookies.
/// A request without an Origin does not come from a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct OriginPolicy {
    allowed: Vec<Box<str>>,
    any: bool,
}

impl OriginPolicy {
    pub(crate) fn allow(&mut self, origin: &str) {
        self.allowed.push(origin.into());
    }

    pub(crate) const fn allow_any(&mut self) {
        self.any = true;
    }

    /// `host` is the request's Host with its port, if it names one.
    pub(crate) fn permits(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else { return true };
        self.any
            || self.allowed.iter().any(|allowed| **allowed == *origin)
            || is_same_host(origin, host)
    }
}

/// Whether a browser could send this: `null`, or a scheme and a host in lower case, and the port unless the scheme
/// implies it (RFC 6454 section 6.2).
pub(crate) fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return origin == "null" };
    let is_scheme =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_foreign = |byte: u8| {
        !byte.is_ascii_graphic() || byte.is_ascii_uppercase() || b"/?#@\\*".contains(&byte)
    };
    let Some((host, port)) = split_port(authority) else { return false };
    let implied =
        matches!((scheme, port), ("http" | "ws", Some(80)) | ("https" | "wss", Some(443)));
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && !host.is_empty()
        && !host.bytes().any(is_foreign)
        && !implied
}

/// Whether the page came from the host and port that the request is for. Behind a proxy that ends TLS the Host header
/// has no port and says nothing of the scheme, so the default port is the one of the origin's scheme.
fn is_same_host(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, 80),
        Some(("https", authority)) => (authority, 443),
        _ => return false,
    };
    match (split_port(authority), split_port(host)) {
        (Some((origin_host, origin_port)), Some((host, port))) => {
            !host.is_empty()
                && origin_host.eq_ignore_ascii_case(host)
                && origin_port.unwrap_or(default_port) == port.unwrap_or(default_port)
        }
        _ => false,
    }
}

/// Host and port; `None`: the port is no number.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons within the brackets of an IPv6 address are not before a port.
    let from = authority.rfind(']').unwrap_or(0);
    match authority.get(from..)?.rfind(':') {
        None => Some((authority, None)),
        Some(offset) => {
            let (host, port) = authority.split_at(from + offset);
            let port = port.get(1..)?;
            if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            Some((host, Some(port.parse().ok()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        let good = [
            "null",
            "https://app.example.com",
            "http://localhost:9001",
            "http://[::1]:9001",
            "https://example.com:80",
            "chrome-extension://abcdef",
        ];
        let bad = [
            "",
            "nonsense",
            "app.example.com",
            "https://",
            "://example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://App.example.com",
            "HTTPS://example.com",
            "https://example.com:443",
            "http://example.com:80",
            "https://example.com:",
            "https://example.com:http",
            "https://*.example.com",
            "https://user@example.com",
            "https://a.example https://b.example",
        ];
        for origin in good {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in bad {
            assert!(!is_origin(origin), "{origin}");
        }
    }

    #[test]
    fn hss_10_16_sec_02_threat_h9_same_host_is_the_rule_and_the_list_is_exact() {
        let mut listed = OriginPolicy::default();
        listed.allow("https://app.example.com");
        listed.allow("null");
        let same = OriginPolicy::default();
        let cases = [
            (&same, None, "example.com", true),
            (&same, Some("http://example.com"), "example.com", true),
            (&same, Some("https://example.com"), "example.com", true),
            (&same, Some("https://example.com"), "example.com:443", true),
            (&same, Some("https://EXAMPLE.com"), "example.COM", true),
            (&same, Some("https://example.com"), "example.com:80", false),
            (&same, Some("http://example.com:9001"), "example.com:9001", true),
            (&same, Some("http://example.com:9001"), "example.com:9002", false),
            (&same, Some("http://example.com"), "example.com:9001", false),
            (&same, Some("http://[::1]:9001"), "[::1]:9001", true),
            (&same, Some("http://[::1]"), "[::1]", true),
            (&same, Some("http://[::2]"), "[::1]", false),
            (&same, Some("http://example.com.evil.org"), "example.com", false),
            (&same, Some("http://evilexample.com"), "example.com", false),
            (&same, Some("null"), "example.com", false),
            (&same, Some("http://example.com http://evil.org"), "example.com", false),
            (&same, Some("ftp://example.com"), "example.com", false),
            (&same, Some("http://"), "", false),
            (&same, Some("http://example.com:"), "example.com", false),
            (&same, Some("http://example.com:+80"), "example.com", false),
            (&listed, Some("https://app.example.com"), "api.example.com", true),
            (&listed, Some("https://app.example.com:8443"), "api.example.com", false),
            (&listed, Some("http://app.example.com"), "api.example.com", false),
            (&listed, Some("https://app.example.com.evil.org"), "api.example.com", false),
            (&listed, Some("https://api.example.com"), "api.example.com", true),
            (&listed, Some("null"), "api.example.com", true),
        ];
        for (policy, origin, host, expected) in cases {
            assert_eq!(policy.permits(origin, host), expected, "{origin:?} at {host}");
        }
        let mut any = OriginPolicy::default();
        any.allow_any();
        assert!(any.permits(Some("https://evil.org"), "example.com"));
    }
}
