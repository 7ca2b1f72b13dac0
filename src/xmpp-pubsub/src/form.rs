use bus_xml::Element;

use crate::namespaces::DATA_FORMS;

/// The form (XEP-0004) inside of a wrapper such as `<configure/>`.
pub(crate) fn form(wrapper: &Element) -> Option<&Element> {
    wrapper.get_child("x", DATA_FORMS)
}

/// Whether a form asks for anything: one that only says what it is about does not.
pub(crate) fn has_fields(form: &Element) -> bool {
    let mut fields = form.children().filter(|child| child.is("field", DATA_FORMS));
    fields.any(|field| field.attr("var") != Some("FORM_TYPE"))
}
