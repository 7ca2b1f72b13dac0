use minidom::Element;
use rxml::{AttrMap, Event};

use crate::XmlLimits;

/// Builds one element tree from parser events; starts over by itself after each complete tree.
///
/// The caller feeds the events from the root's start to its end. Nothing here recurses.
#[derive(Debug)]
pub struct TreeBuilder {
    limits: XmlLimits,
    stack: Vec<Element>,
    bytes: usize,
    skipping: Option<Skipping>,
}

/// What feeding one event led to.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// The tree is not complete yet.
    Pending,
    /// The root was closed.
    Complete(Element),
    /// The root was closed, but a cap was broken on the way.
    Rejected {
        /// The root with its attributes and without children: enough to answer its sender.
        head: Element,
        /// Which cap.
        reason: RejectReason,
    },
}

/// Which cap an element broke, or which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// [`XmlLimits::depth_max`].
    TooDeep,
    /// [`XmlLimits::bytes_max`].
    TooLong,
    /// A name that Namespaces in XML 1.0 forbids: a prefix that is not bound, an attribute twice. The builder never sees
    /// it; whoever can find the end of the element all the same reports it.
    Misnamed,
}

/// The rest of an element that broke a cap: only its depth is followed.
#[derive(Debug)]
struct Skipping {
    head: Element,
    depth: usize,
    reason: RejectReason,
}

impl TreeBuilder {
    /// A builder with the given caps.
    pub fn new(limits: XmlLimits) -> Self {
        Self { limits, stack: Vec::new(), bytes: 0, skipping: None }
    }

    /// True between two trees.
    pub fn is_idle(&self) -> bool {
        self.stack.is_empty() && self.skipping.is_none()
    }

    /// The cap that the tree in progress broke, as soon as it did.
    pub fn rejected(&self) -> Option<RejectReason> {
        self.skipping.as_ref().map(|skipping| skipping.reason)
    }

    /// Takes the next event of the tree.
    pub fn feed(&mut self, event: Event) -> Progress {
        self.bytes = self.bytes.saturating_add(event.metrics().len());
        if self.bytes > self.limits.bytes_max {
            self.skip_from_here(RejectReason::TooLong);
        }
        match event {
            Event::XmlDeclaration(..) => Progress::Pending,
            Event::StartElement(_, (namespace, name), attributes) => {
                self.open(namespace.as_str(), name.as_str(), attributes);
                Progress::Pending
            }
            Event::Text(_, text) => {
                self.text(&text);
                Progress::Pending
            }
            Event::EndElement(_) => self.close(),
        }
    }

    fn open(&mut self, namespace: &str, name: &str, attributes: AttrMap) {
        if self.skipping.is_none() && self.stack.len() >= self.limits.depth_max {
            self.skip_from_here(RejectReason::TooDeep);
        }
        if let Some(skipping) = &mut self.skipping {
            skipping.depth += 1;
            return;
        }
        let mut element = Element::bare(name, namespace);
        *element.attrs_mut() = attributes;
        self.stack.push(element);
    }

    fn text(&mut self, text: &str) {
        if self.skipping.is_some() {
            return;
        }
        if let Some(top) = self.stack.last_mut() {
            top.append_text(text);
        }
    }

    fn close(&mut self) -> Progress {
        if let Some(skipping) = &mut self.skipping {
            skipping.depth -= 1;
            return if skipping.depth == 0 { self.finish_skipping() } else { Progress::Pending };
        }
        let Some(closed) = self.stack.pop() else { return Progress::Pending };
        if let Some(parent) = self.stack.last_mut() {
            parent.append_child(closed);
            return Progress::Pending;
        }
        self.bytes = 0;
        Progress::Complete(closed)
    }

    /// Lets go of what was built and follows only the depth from now on.
    fn skip_from_here(&mut self, reason: RejectReason) {
        if self.skipping.is_some() {
            return;
        }
        let depth = self.stack.len();
        let Some(root) = self.stack.drain(..).next() else { return };
        let mut head = Element::bare(root.name(), root.ns());
        *head.attrs_mut() = root.attrs().clone();
        self.skipping = Some(Skipping { head, depth, reason });
    }

    fn finish_skipping(&mut self) -> Progress {
        self.bytes = 0;
        match self.skipping.take() {
            Some(Skipping { head, reason, .. }) => Progress::Rejected { head, reason },
            None => Progress::Pending,
        }
    }
}
