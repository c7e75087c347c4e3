//! The modules of a package, and the resolution of paths in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta, UseTree, Visibility};

use crate::{read, root};

/// The modules of one package; the first is its root.
pub(crate) struct Package {
    pub(crate) modules: Vec<Module>,
    /// The module of every `macro_rules!`, by name.
    macros: BTreeMap<String, usize>,
}

/// A module: a file, or a block within one.
pub(crate) struct Module {
    /// Its file, as a path from the root of the workspace.
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    /// Its items, without its child modules and without code that is compiled for tests only.
    pub(crate) items: Vec<Item>,
    children: BTreeMap<String, usize>,
    defined: BTreeSet<String>,
    /// The target of each imported or re-exported name.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Module(usize),
    /// An item, by the module that defines it.
    Item(usize),
}

/// One name that a `use` imports.
pub(crate) struct Import {
    /// The name in scope; `None` for a glob.
    name: Option<String>,
    pub(crate) path: Vec<String>,
}

impl Package {
    /// Reads the modules of a package from the file of its root.
    pub(crate) fn read(file: &str) -> Package {
        let mut package = Package { modules: Vec::new(), macros: BTreeMap::new() };
        package.add_file(Path::new(file), None);
        package
    }

    /// Reads a package of one file from its text.
    pub(crate) fn parse(text: &str) -> Package {
        let mut package = Package { modules: Vec::new(), macros: BTreeMap::new() };
        package.add(Path::new("lib.rs"), Path::new(""), syn::parse_file(text).unwrap().items, None);
        package
    }

    fn add_file(&mut self, file: &Path, parent: Option<usize>) -> usize {
        let text = read(file);
        let items = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        let stem = file.file_stem().unwrap();
        let folder = file.parent().unwrap();
        let is_folder = parent.is_none() || stem == "mod";
        self.add(file, &if is_folder { folder.to_owned() } else { folder.join(stem) }, items, parent)
    }

    /// Adds a module with its children, which are found in a folder.
    fn add(&mut self, file: &Path, folder: &Path, items: Vec<Item>, parent: Option<usize>) -> usize {
        let own = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            items: Vec::new(),
            children: BTreeMap::new(),
            defined: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
        });
        for item in items {
            if attributes(&item).iter().any(is_test) {
                continue;
            }
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let within = folder.join(&name);
                let added = match child.content {
                    Some((_, items)) => self.add(file, &within, items, Some(own)),
                    None => {
                        let files = [folder.join(format!("{name}.rs")), within.join("mod.rs")];
                        let found = files.iter().find(|file| root().join(file).exists());
                        let found = found.unwrap_or_else(|| panic!("{}: mod {name} has no file", file.display()));
                        self.add_file(found, Some(own))
                    }
                };
                self.modules[own].children.insert(name, added);
                continue;
            }
            self.declare(own, &item);
            self.modules[own].items.push(item);
        }
        own
    }

    fn declare(&mut self, own: usize, item: &Item) {
        let module = &mut self.modules[own];
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.macros.insert(name.to_string(), own);
                }
                return;
            }
            Item::Use(item) => return module.import(&item.tree),
            _ => return,
        };
        module.defined.insert(name.to_string());
    }

    /// Resolves a path in a module. Returns `None` if it leaves the package or names something local.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Option<Named> {
        self.resolve_within(module, path, 16)
    }

    fn resolve_within(&self, from: usize, path: &[String], depth: usize) -> Option<Named> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let mut named = match first.as_str() {
            "crate" => Named::Module(0),
            "self" => Named::Module(from),
            "super" => Named::Module(self.modules[from].parent?),
            name => self.lookup(from, name, rest.is_empty(), depth)?,
        };
        for (at, name) in rest.iter().enumerate() {
            let Named::Module(module) = named else { break };
            named = match name.as_str() {
                "super" => Named::Module(self.modules[module].parent?),
                // A name that nothing declares was made by a macro of that module.
                name => self.lookup(module, name, at + 1 == rest.len(), depth).unwrap_or(Named::Item(module)),
            };
        }
        Some(named)
    }

    /// Resolves one name in a module. At the end of a path, an item takes precedence over a module of the same name.
    fn lookup(&self, module: usize, name: &str, is_last: bool, depth: usize) -> Option<Named> {
        let scope = &self.modules[module];
        let child = scope.children.get(name).map(|child| Named::Module(*child));
        let item = scope.defined.contains(name).then_some(Named::Item(module));
        let own = if is_last { item.or(child) } else { child.or(item) };
        let imported = || self.resolve_within(module, scope.imports.get(name)?, depth);
        let from_globs = || {
            scope.globs.iter().find_map(|glob| match self.resolve_within(module, glob, depth)? {
                Named::Module(other) if other != module => self.lookup(other, name, is_last, depth.checked_sub(1)?),
                _ => None,
            })
        };
        own.or_else(imported).or_else(from_globs)
    }

    /// The module that defines a macro of the package.
    pub(crate) fn macro_module(&self, name: &str) -> Option<usize> {
        self.macros.get(name).copied()
    }

    /// Whether a module lies within another.
    pub(crate) fn is_within(&self, module: usize, other: usize) -> bool {
        let mut at = self.modules[module].parent;
        while let Some(parent) = at {
            if parent == other {
                return true;
            }
            at = self.modules[parent].parent;
        }
        false
    }

    /// A module's file as reports show it: below the package's `src`.
    pub(crate) fn file(&self, module: usize) -> String {
        let file = &self.modules[module].file;
        file.strip_prefix(self.modules[0].file.parent().unwrap()).unwrap().display().to_string()
    }
}

impl Module {
    fn import(&mut self, tree: &UseTree) {
        for import in imports(tree) {
            match import.name {
                Some(name) => _ = self.imports.insert(name, import.path),
                None => self.globs.push(import.path),
            }
        }
    }
}

/// Returns every name that a `use` imports.
pub(crate) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    flatten(tree, &mut Vec::new(), &mut found);
    found
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let mut leaf = |own: &syn::Ident, name: &syn::Ident| {
        let mut full = path.clone();
        if own != "self" {
            full.push(own.to_string());
        }
        let name = if name == "self" { full.last().unwrap().clone() } else { name.to_string() };
        found.push(Import { name: Some(name), path: full });
    };
    match tree {
        UseTree::Name(name) => leaf(&name.ident, &name.ident),
        UseTree::Rename(rename) => leaf(&rename.ident, &rename.rename),
        UseTree::Glob(_) => found.push(Import { name: None, path: path.clone() }),
        UseTree::Path(step) => {
            path.push(step.ident.to_string());
            flatten(&step.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, found)),
    }
}

/// Whether a `use` re-exports.
pub(crate) fn is_re_export(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}

/// Whether what follows is compiled for tests only.
pub(crate) fn is_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    list.path.is_ident("cfg") && list.tokens.to_string().starts_with("test")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
