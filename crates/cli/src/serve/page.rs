//! The page, put together from its three files so that it asks for nothing else.

const PAGE: &str = include_str!("../page/page.html");
const STYLE: &str = include_str!("../page/style.css");
const SCRIPT: &str = include_str!("../page/script.js");

/// One HTML document with its style and its script inside.
pub(crate) fn page() -> String {
    PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_stay_within_their_elements() {
        let page = page();
        assert!(!page.contains("/*STYLE*/") && !page.contains("/*SCRIPT*/"));
        assert_eq!(page.matches("</style>").count(), 1);
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(page.ends_with("</html>\n"));
    }
}
