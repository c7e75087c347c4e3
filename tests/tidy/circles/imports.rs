//! The graph of files that use items of other files.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::graph::Graph;
use super::names::{Import, Named, Package, imports, is_re_export, is_test};

/// The files of a package, with an edge from each to every file that defines an item which it names.
pub(crate) fn graph(package: &Package) -> Graph {
    let mut graph = Graph::default();
    for (at, module) in package.modules.iter().enumerate() {
        let mut mentions = Mentions { package, module: at, graph: &mut graph };
        module.items.iter().for_each(|item| mentions.visit_item(item));
    }
    graph
}

struct Mentions<'a> {
    package: &'a Package,
    module: usize,
    graph: &'a mut Graph,
}

impl Mentions<'_> {
    fn mention(&mut self, path: &[String], line: usize) {
        if let Some(Named::Item(other)) = self.package.resolve(self.module, path) {
            self.edge(other, &path.join("::"), line);
        }
    }

    fn edge(&mut self, other: usize, name: &str, line: usize) {
        let (from, to) = (self.package.file(self.module), self.package.file(other));
        if from != to {
            self.graph.add(&from, &to, || format!("{name}, line {line}"));
        }
    }

    fn mention_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none()
            && let Some(last) = path.segments.last()
        {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.mention(&names, last.ident.span().start().line);
        }
    }

    /// Adds every path in the tokens of a macro's call or definition.
    fn mention_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        // The punctuation since the last name: a name after a dot is a field or a method.
        let mut between = String::new();
        for token in tokens {
            if let TokenTree::Punct(punct) = &token {
                between.push(punct.as_char());
                continue;
            }
            if between != "::" {
                self.mention(&std::mem::take(&mut path), line);
            }
            match token {
                TokenTree::Ident(name) if between != "." => {
                    line = name.span().start().line;
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => self.mention_tokens(group.stream()),
                _ => {}
            }
            between.clear();
        }
        self.mention(&path, line);
    }
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        // A test module within a function's body was not removed yet.
        if !matches!(item, syn::Item::Mod(module) if module.attrs.iter().any(is_test)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let line = item.use_token.span.start().line;
        for Import { path, .. } in imports(&item.tree) {
            let Some(Named::Item(other)) = self.package.resolve(self.module, &path) else { continue };
            let of_a_child = self.package.is_within(other, self.module);
            if !(is_re_export(&item.vis) && of_a_child) {
                self.edge(other, &path.join("::"), line);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention_path(path);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last()
            && let Some(module) = self.package.macro_module(&name.ident.to_string())
        {
            self.edge(module, &name.ident.to_string(), name.ident.span().start().line);
        }
        self.mention_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let syn::Meta::List(list) = &attribute.meta else { return };
        if !list.path.is_ident("serde") {
            return;
        }
        // `#[serde(with = "path")]` names functions in a string.
        for token in list.tokens.clone() {
            if let TokenTree::Literal(literal) = token
                && let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                && let Ok(path) = text.parse::<syn::Path>()
            {
                self.mention_path(&path);
            }
        }
    }
}
