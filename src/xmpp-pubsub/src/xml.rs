use bus_xml::{escape_attribute, escape_text};

/// Writes XML front to back; every value is escaped on its way in.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    out: String,
    open: Vec<&'static str>,
    is_in_tag: bool,
}

impl Xml {
    /// Opens an element.
    pub(crate) fn start(&mut self, name: &'static str) -> &mut Self {
        self.close_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(name);
        self.is_in_tag = true;
        self
    }

    /// Opens an element that changes the default namespace.
    pub(crate) fn start_in(&mut self, name: &'static str, namespace: &str) -> &mut Self {
        self.start(name).attribute("xmlns", namespace)
    }

    /// Adds an attribute to the element just opened.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.is_in_tag, "an attribute stands in a start tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("='");
        escape_attribute(value, &mut self.out);
        self.out.push('\'');
        self
    }

    /// Adds character data.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape_text(text, &mut self.out);
        self
    }

    /// Adds markup that is ours already: a stored payload, which declares its own namespace, or what another
    /// writer made for this place.
    pub(crate) fn raw(&mut self, markup: &str) -> &mut Self {
        if !markup.is_empty() {
            self.close_tag();
            self.out.push_str(markup);
        }
        self
    }

    /// Closes the innermost open element.
    pub(crate) fn end(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            if self.is_in_tag {
                self.out.push_str("/>");
                self.is_in_tag = false;
            } else {
                self.out.push_str("</");
                self.out.push_str(name);
                self.out.push('>');
            }
        }
        self
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Closes everything that is open.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn close_tag(&mut self) {
        if self.is_in_tag {
            self.out.push('>');
            self.is_in_tag = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_well_formed_and_escaped() {
        let mut xml = Xml::default();
        xml.start("a").attribute("b", "'<&>\"\n").start_in("c", "urn:c").end().text("<&>");
        xml.start("d").raw("<e xmlns='urn:e'/>");
        let expected = "<a b='&apos;&lt;&amp;&gt;&quot;&#xA;'><c xmlns='urn:c'/>&lt;&amp;&gt;\
                        <d><e xmlns='urn:e'/></d></a>";
        assert_eq!(xml.finish(), expected);
    }
}
