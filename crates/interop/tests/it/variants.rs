//! With and without compression: what each side asks for, and what must come of it.

use sockeye::{DeflateConfig, WindowBits};
use sockeye_interop::{ClientWindow, Wish};

use crate::stage::OurRole;

/// How much of compression a peer lets its user choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Choice {
    /// It has none.
    Never,
    /// It always offers it.
    Always,
    /// On or off.
    OnOff,
    /// All parameters.
    Parameters,
}

/// One way to negotiate.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The foreign end asks for this, or agrees to it.
    pub(crate) theirs: Option<Wish>,
    /// Our end does.
    pub(crate) ours: Option<DeflateConfig>,
    /// `None`: there must be no compression. Otherwise the server's response must have these, ...
    pub(crate) agreed: Option<Vec<String>>,
    /// ... and nothing with this in it.
    pub(crate) absent: Option<&'static str>,
}

/// Those that apply to a peer.
pub(crate) fn variants(choice: Choice, role: OurRole) -> Vec<Variant> {
    let wish = Wish::default();
    let ours = DeflateConfig::default();
    let mut variants = vec![];
    if choice != Choice::Always {
        variants.push(without("without", None, None));
        variants.push(without("only our end wants it", None, Some(ours)));
    }
    if choice != Choice::Never {
        variants.push(without("only the peer wants it", Some(wish), None));
        // What a client asks of the server, the server must confirm (RFC 7692 section 7.1.1.1).
        variants.push(with("with defaults", wish, ours, &["server_no_context_takeover"]));
        let mut contexts = with("with contexts", wish, with_contexts(), &[]);
        contexts.absent = Some("no_context_takeover");
        variants.push(contexts);
        variants.push(with(
            "with windows of our choice",
            wish,
            small_windows(),
            match role {
                OurRole::Server => &["server_max_window_bits=10", "client_max_window_bits=10"],
                OurRole::Client => &["server_max_window_bits=10"],
            },
        ));
    }
    if choice == Choice::Parameters {
        variants.extend(chosen_by_the_peer(role));
    }
    variants
}

/// The fewer for slower ways: one without, and two with compression.
pub(crate) fn few_variants(choice: Choice, role: OurRole) -> Vec<Variant> {
    let names = ["without", "only the peer wants it", "with defaults", "with contexts"];
    let mut variants = variants(choice, role);
    variants.retain(|variant| names.contains(&&*variant.name));
    variants
}

fn chosen_by_the_peer(role: OurRole) -> Vec<Variant> {
    let no_contexts = Wish { server_no_context: true, client_no_context: true, ..Wish::default() };
    let both = ["server_no_context_takeover", "client_no_context_takeover"];
    let mut variants =
        vec![with("without contexts by the peer", no_contexts, with_contexts(), &both)];
    for bits in 9..=15 {
        let wish = Wish {
            server_window: Some(bits),
            client_window: ClientWindow::Bits(bits),
            ..Wish::default()
        };
        let mut variant = with(&format!("with windows of {bits} bits"), wish, with_contexts(), &[]);
        variant.agreed = Some(vec![format!("server_max_window_bits={bits}")]);
        variants.push(variant);
    }
    if role == OurRole::Server {
        // No deflater can do it, so it is declined; or accepted by who wants to inflate at least.
        let wish = Wish { server_window: Some(8), ..Wish::default() };
        variants.push(without("a window of 8 bits, declined", Some(wish), Some(with_contexts())));
        let mut ours = with_contexts();
        ours.own_window_min = WindowBits::MIN;
        variants.push(with(
            "a window of 8 bits, accepted",
            wish,
            ours,
            &["server_max_window_bits=8"],
        ));
    }
    variants
}

fn without(name: &str, theirs: Option<Wish>, ours: Option<DeflateConfig>) -> Variant {
    Variant { name: name.to_owned(), theirs, ours, agreed: None, absent: None }
}

fn with(name: &str, theirs: Wish, ours: DeflateConfig, agreed: &[&str]) -> Variant {
    Variant {
        name: name.to_owned(),
        theirs: Some(theirs),
        ours: Some(ours),
        agreed: Some(agreed.iter().map(|&part| part.to_owned()).collect()),
        absent: None,
    }
}

fn with_contexts() -> DeflateConfig {
    let mut config = DeflateConfig::default();
    config.keeps_own_context = true;
    config.keeps_peer_context = true;
    config
}

fn small_windows() -> DeflateConfig {
    let mut config = with_contexts();
    let bits = WindowBits::new(10).expect("8 to 15");
    config.own_window_max = bits;
    config.peer_window_max = bits;
    config
}

impl Variant {
    /// Whether our end compresses what is large enough: a deflater can do no window of 8 bits.
    pub(crate) fn ours_compresses(&self) -> bool {
        self.agreed.as_ref().is_some_and(|parts| !parts.iter().any(|part| part.ends_with("=8")))
    }
}
