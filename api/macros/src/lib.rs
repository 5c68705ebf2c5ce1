//! `#[background_task("name")]`: makes an async function an entrypoint of the image.
//!
//! The attribute checks the signature, keeps the function as it is and registers it, with its doc
//! comment, in `crate::background_task::TASKS`. Parsing of arguments, log lines and exit codes are
//! not its business: they are ordinary code of the `api` crate.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Result, ReturnType};

/// Registers an async function as the task of that name.
///
/// The function takes nothing, `(context)` or `(arguments, context)`, where the arguments are a
/// struct that derives `clap::Args`, and it returns `anyhow::Result<()>` or `anyhow::Result<Exit>`.
/// Its doc comment is what `api --list` says of it.
#[proc_macro_attribute]
pub fn background_task(
    name: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    let tokens = expand(name.into(), item.clone()).unwrap_or_else(|error| {
        // The function stays in the output, so that the one message is not followed by others
        // about a function that has vanished.
        let error = error.into_compile_error();
        quote! { #[allow(dead_code, reason = "it could not be registered")] #item #error }
    });
    tokens.into()
}

fn expand(name: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let name = task_name(name)?;
    let function: ItemFn = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), "a background task is an `async fn`"))?;
    check_signature(&function)?;
    let doc = doc_comment(&function)?;

    let ident = &function.sig.ident;
    let (arguments, call) = match Vec::from_iter(&function.sig.inputs).as_slice() {
        [] => (no_arguments(), quote! { #ident() }),
        [context] => {
            let call = quote_spanned! { context.span() => #ident(context) };
            (no_arguments(), call)
        }
        [FnArg::Typed(arguments), context] => {
            let ty = &arguments.ty;
            let call = quote_spanned! { context.span() => #ident(arguments, context) };
            (quote! { #ty }, call)
        }
        [_, surplus, ..] => return Err(Error::new(surplus.span(), PARAMETERS)),
    };

    // Names are written in full: a `use` in this block would shadow the author's own types.
    Ok(quote! {
        #function

        #[allow(unsafe_code, reason = "linkme puts the static into a section of its own")]
        const _: () = {
            #[::linkme::distributed_slice(crate::background_task::TASKS)]
            static TASK: crate::background_task::Task = crate::background_task::Task {
                name: #name,
                doc: #doc,
                file: ::core::file!(),
                prepare: |task, words| {
                    #[allow(unused_variables, reason = "a task may need neither of the two")]
                    crate::background_task::prepare(
                        task,
                        words,
                        |arguments: #arguments, context: crate::background_task::Context| async move {
                            ::anyhow::Result::<crate::background_task::Exit>::Ok(#call.await?.into())
                        },
                    )
                },
            };
        };
    })
}

const PARAMETERS: &str = "a background task takes nothing, `(context: Context)` or \
                          `(arguments: Arguments, context: Context)`";

fn no_arguments() -> TokenStream {
    quote! { crate::background_task::NoArguments }
}

fn task_name(tokens: TokenStream) -> Result<LitStr> {
    let usage = "expected the task's name: `#[background_task(\"my-new-task-name\")]`";
    if tokens.is_empty() {
        return Err(Error::new(Span::call_site(), usage));
    }
    let name: LitStr = syn::parse2(tokens).map_err(|error| Error::new(error.span(), usage))?;
    let text = name.value();
    let words_are_plain = text.split('-').all(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    if !words_are_plain || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        let message = format!(
            "`{text}` cannot name a task: use lower-case words joined by `-`, as in `my-new-task-name`"
        );
        return Err(Error::new(name.span(), message));
    }
    Ok(name)
}

fn check_signature(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let message = "a background task is an `async fn`: add `async`";
        return Err(Error::new(signature.fn_token.span(), message));
    }
    if !signature.generics.params.is_empty() {
        let message = "a background task has no generic parameters";
        return Err(Error::new(signature.generics.span(), message));
    }
    if matches!(signature.output, ReturnType::Default) {
        let message = "a background task returns `anyhow::Result<()>` or `anyhow::Result<Exit>`";
        return Err(Error::new(signature.ident.span(), message));
    }
    Ok(())
}

/// The first paragraph of the doc comment, on one line.
fn doc_comment(function: &ItemFn) -> Result<String> {
    let lines = function.attrs.iter().filter_map(doc_line);
    let paragraph: Vec<String> = lines
        .map(|line| line.trim().to_owned())
        .skip_while(String::is_empty)
        .take_while(|line| !line.is_empty())
        .collect();
    if paragraph.is_empty() {
        let message = "a background task needs a doc comment: it is its line in `api --list`";
        return Err(Error::new(function.sig.ident.span(), message));
    }
    Ok(paragraph.join(" "))
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(line),
                ..
            }) => Some(line.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
