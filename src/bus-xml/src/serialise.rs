use minidom::{Element, Node};

use crate::{escape_attribute, escape_text};

/// The element as text in our own serialisation: default namespaces only, declared where they change.
///
/// Prefixes of the input are gone; the infoset stays. The result stands on its own, whatever it is put into.
pub fn serialise(element: &Element) -> String {
    let mut out = String::new();
    write_element(element, None, &mut out);
    out
}

/// Appends the element for a place where `parent_namespace` is the default namespace.
pub fn serialise_into(element: &Element, parent_namespace: &str, out: &mut String) {
    write_element(element, Some(parent_namespace), out);
}

/// Recursion is bounded: every tree was built under a depth cap, or by our own code.
fn write_element(element: &Element, parent_namespace: Option<&str>, out: &mut String) {
    let namespace = element.ns();
    out.push('<');
    out.push_str(element.name());
    if parent_namespace != Some(namespace.as_str()) {
        write_attribute("xmlns", &namespace, out);
    }
    write_attributes(element, out);
    if element.nodes().next().is_none() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for node in element.nodes() {
        match node {
            Node::Element(child) => write_element(child, Some(&namespace), out),
            Node::Text(text) => escape_text(text, out),
        }
    }
    out.push_str("</");
    out.push_str(element.name());
    out.push('>');
}

fn write_attributes(element: &Element, out: &mut String) {
    let mut declared = 0;
    for ((namespace, name), value) in element.attrs() {
        if namespace.is_none() {
            write_attribute(name.as_str(), value, out);
        } else if namespace == rxml::Namespace::xml() {
            write_attribute(&format!("xml:{name}"), value, out);
        } else {
            write_attribute(&format!("xmlns:a{declared}"), namespace.as_str(), out);
            write_attribute(&format!("a{declared}:{name}"), value, out);
            declared += 1;
        }
    }
}

fn write_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape_attribute(value, out);
    out.push('\'');
}

#[cfg(test)]
mod tests;
