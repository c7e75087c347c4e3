//! The graph of calls between the methods of a type.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Block, FnArg, ImplItem, Item, Pat, Signature, Type};

use super::graph::Graph;
use super::names::{Named, Package, is_test};

/// A type by the module that defines it and by its name there.
type TypeName = (usize, String);

/// A method of a type, or a function that is given a value of it.
struct Function<'a> {
    /// The module that contains it.
    module: usize,
    signature: &'a Signature,
    block: &'a Block,
    /// Whether its `self` has the type.
    is_method: bool,
}

/// The types of a package that have methods, each with its name, the file that defines it and the graph of its calls.
pub(crate) fn graphs(package: &Package) -> Vec<(String, String, Graph)> {
    let mut types: BTreeMap<TypeName, Vec<Function>> = BTreeMap::new();
    for (module, item) in items(package) {
        let Item::Impl(block) = item else { continue };
        let Some(name) = type_name(package, module, &block.self_ty) else { continue };
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(method) if !method.attrs.iter().any(is_test) => {
                Some(Function { module, signature: &method.sig, block: &method.block, is_method: true })
            }
            _ => None,
        });
        types.entry(name).or_default().extend(methods);
    }
    for (module, item) in items(package) {
        let Item::Fn(function) = item else { continue };
        for (name, functions) in &mut types {
            let is_given = function.sig.inputs.iter().any(|input| match input {
                FnArg::Typed(input) => type_name(package, module, &input.ty).as_ref() == Some(name),
                FnArg::Receiver(_) => false,
            });
            if is_given {
                let (signature, block) = (&function.sig, &*function.block);
                functions.push(Function { module, signature, block, is_method: false });
            }
        }
    }
    types
        .iter()
        .map(|(name, functions)| (name.1.clone(), package.file(name.0), graph(package, name, functions)))
        .collect()
}

fn items(package: &Package) -> impl Iterator<Item = (usize, &Item)> {
    package.modules.iter().enumerate().flat_map(|(at, module)| module.items.iter().map(move |item| (at, item)))
}

/// Returns the type of the package that a type names, behind references.
fn type_name(package: &Package, module: usize, of: &Type) -> Option<TypeName> {
    match of {
        Type::Reference(reference) => type_name(package, module, &reference.elem),
        Type::Path(path) => {
            let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            match package.resolve(module, &names)? {
                Named::Item(definer) => Some((definer, names.last()?.clone())),
                Named::Module(_) => None,
            }
        }
        _ => None,
    }
}

fn graph(package: &Package, name: &TypeName, functions: &[Function]) -> Graph {
    let mut graph = Graph::default();
    let callers: BTreeSet<String> = functions
        .iter()
        .filter(|function| {
            let mut lends = Lends { name: &name.1, found: false };
            lends.visit_signature(function.signature);
            lends.found
        })
        .map(|function| function.signature.ident.to_string())
        .collect();
    let label = |function: &Function| format!("{} ({})", function.signature.ident, package.file(function.module));
    for function in functions {
        let given = function.signature.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) if function.is_method => Some("self".to_owned()),
            FnArg::Typed(input) if type_name(package, function.module, &input.ty).as_ref() == Some(name) => {
                match &*input.pat {
                    Pat::Ident(name) => Some(name.ident.to_string()),
                    _ => None,
                }
            }
            _ => None,
        });
        let mut calls = Calls {
            name: &name.1,
            callers: &callers,
            given: given.collect(),
            methods: BTreeSet::new(),
            paths: BTreeSet::new(),
        };
        calls.visit_block(function.block);
        for called in functions {
            let own = called.signature.ident.to_string();
            let is_called = if called.is_method { calls.methods.contains(&own) } else { calls.paths.contains(&own) };
            if is_called {
                graph.add(&label(function), &label(called), String::new);
            }
        }
    }
    graph
}

/// Whether a signature takes a closure that is lent a value of the type: `impl FnOnce(&mut Runtime)`.
struct Lends<'a> {
    name: &'a str,
    found: bool,
}

impl<'ast> Visit<'ast> for Lends<'_> {
    fn visit_parenthesized_generic_arguments(&mut self, arguments: &'ast syn::ParenthesizedGenericArguments) {
        self.found |= arguments.inputs.iter().any(|input| is_named(&input.ty, self.name));
    }
}

/// Whether a type, behind references, has this name, or is `Self`.
fn is_named(of: &Type, name: &str) -> bool {
    match of {
        Type::Reference(reference) => is_named(&reference.elem, name),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == name || last.ident == "Self"),
        _ => false,
    }
}

/// The calls that a function makes on the type.
struct Calls<'a> {
    name: &'a str,
    /// The functions that lend the type to a closure.
    callers: &'a BTreeSet<String>,
    /// The variables that have the type.
    given: BTreeSet<String>,
    methods: BTreeSet<String>,
    /// The last names of other paths.
    paths: BTreeSet<String>,
}

impl Calls<'_> {
    /// Notes the parameters of closures that a function is given which lends them the type.
    fn lend<'e>(&mut self, caller: &str, arguments: impl IntoIterator<Item = &'e syn::Expr>) {
        if !self.callers.contains(caller) {
            return;
        }
        for argument in arguments {
            let syn::Expr::Closure(closure) = argument else { continue };
            let names = closure.inputs.iter().filter_map(|input| match input {
                Pat::Ident(name) => Some(name.ident.to_string()),
                _ => None,
            });
            self.given.extend(names);
        }
    }

    /// Finds `self.name` and `Self::name` in a macro's tokens.
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.visit_tokens(group.stream()),
                TokenTree::Ident(name) => {
                    let word = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
                    let on_value = word(1) == "." && self.given.contains(&word(2)) && word(3) != ".";
                    let on_type = word(1) == ":" && ["Self", self.name].contains(&&*word(3));
                    if on_value || on_type {
                        self.methods.insert(name.to_string());
                    } else {
                        self.paths.insert(name.to_string());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if let syn::Expr::Path(receiver) = &*call.receiver
            && receiver.path.get_ident().is_some_and(|name| self.given.contains(&name.to_string()))
        {
            self.methods.insert(call.method.to_string());
            self.lend(&call.method.to_string(), &call.args);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(last) = function.path.segments.last()
        {
            self.lend(&last.ident.to_string(), &call.args);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        for input in &closure.inputs {
            if let Pat::Type(typed) = input
                && is_named(&typed.ty, self.name)
                && let Pat::Ident(name) = &*typed.pat
            {
                self.given.insert(name.ident.to_string());
            }
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut names = path.segments.iter().rev().map(|segment| segment.ident.to_string());
        if let Some(last) = names.next() {
            match names.next() {
                Some(of) if of == "Self" || of == self.name => self.methods.insert(last),
                _ => self.paths.insert(last),
            };
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_tokens(call.tokens.clone());
    }
}

#[test]
fn calls_on_self_on_the_type_and_in_closures_are_seen() {
    let package = Package::parse(
        "
        struct Machine { part: Part }
        struct Part;
        impl Machine {
            fn input<R>(&mut self, handle: impl FnOnce(&mut Machine) -> R) -> R { handle(self) }
            fn first(&mut self) { self.input(|this| this.second()) }
            fn second(&mut self) { helper(self); assert!(self.third()); }
            fn third(&mut self) -> bool { self.part.first(); true }
        }
        fn helper(machine: &mut Machine) { Machine::fourth(machine) }
        impl Machine { fn fourth(&mut self) { self.first() } }
        impl Part { fn first(&mut self) {} }
        ",
    );
    let all = graphs(&package);
    let (_, _, machine) = all.iter().find(|(name, ..)| name == "Machine").unwrap();
    let circle = ["first (lib.rs)", "fourth (lib.rs)", "helper (lib.rs)", "second (lib.rs)"];
    assert_eq!(machine.circles(), [BTreeSet::from(circle)]);
}
