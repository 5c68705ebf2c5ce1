//! What must hold of a workspace: one story of edits and commits.

use std::collections::BTreeSet;

use super::Nonce;
use super::edits::Edit;
use super::generator::Workspace;
use super::published::{Published, publish};
use crate::harness::Shared;

/// Code of a refusal.
const REFUSED: i32 = 126;

pub fn holds(shared: &Shared, workspace: &mut Workspace) {
    let sha = workspace.commit();
    let first = published(shared, workspace);
    is_of(workspace, &first, &sha);
    has_all(workspace, &first);

    workspace.edit_what_is_not_read();
    let same = published(shared, workspace);
    is_skipped(&same, &first);
    assert_eq!(same.tag, first.tag);

    let dirty = uncommitted(shared, workspace, &first);
    let committed = committed(shared, workspace, &dirty);

    workspace.edit_what_is_not_read();
    let sha = workspace.commit();
    let last = published(shared, workspace);
    is_skipped(&last, &committed);
    is_of(workspace, &last, &sha);
    if !workspace.always_dirty {
        match workspace.random.u8(0..4) {
            0 => in_a_clone(shared, workspace, &last),
            1 => beside_a_clone(shared, workspace, &last),
            _ => {}
        }
    }
}

/// An edit without a commit; some are taken back and done again.
fn uncommitted(shared: &Shared, workspace: &mut Workspace, clean: &Published) -> Published {
    let mut edit = workspace.edit_what_is_read();
    publish(shared, workspace, &[]).expect_code(REFUSED);
    let mut dirty = published(shared, workspace);
    is_new(workspace, &dirty, clean, &edit);
    assert!(dirty.is_dirty(), "{}", dirty.tag);

    let again = published(shared, workspace);
    is_skipped(&again, &dirty);
    assert_eq!(again.tag, dirty.tag);

    if edit.before.is_some() && workspace.chance(40) {
        workspace.take_back(edit);
        let back = published(shared, workspace);
        assert_eq!(back.tag, clean.tag, "{}", back.stderr);
        assert_eq!(back.digest, clean.digest, "{}", back.stderr);
        edit = workspace.edit_what_is_read();
        dirty = published(shared, workspace);
        is_new(workspace, &dirty, clean, &edit);
        assert!(dirty.is_dirty(), "{}", dirty.tag);
    }
    if workspace.variable.is_some() {
        let edit = workspace.edit_variable();
        let other = published(shared, workspace);
        is_new(workspace, &other, &dirty, &edit);
        assert!(other.is_dirty(), "{}", other.tag);
        dirty = other;
    }
    dirty
}

/// What was published uncommitted, and then an edit that is committed at once.
fn committed(shared: &Shared, workspace: &mut Workspace, dirty: &Published) -> Published {
    workspace.show_all();
    let sha = workspace.commit();
    let clean = published(shared, workspace);
    is_of(workspace, &clean, &sha);
    has_all(workspace, &clean);
    assert_eq!(clean.digest == dirty.digest, workspace.always_dirty);

    if workspace.chance(25) {
        workspace.forget();
    }
    let edit = workspace.edit_what_is_read();
    workspace.show_all();
    let sha = workspace.commit();
    let next = published(shared, workspace);
    is_new(workspace, &next, &clean, &edit);
    is_of(workspace, &next, &sha);
    next
}

/// The same commit from another folder, which knows of no compile.
fn in_a_clone(shared: &Shared, workspace: &mut Workspace, last: &Published) {
    let mut clone = workspace.clone_at("clone");
    let same = published(shared, &clone);
    is_skipped(&same, last);
    assert_eq!(same.tag, last.tag);
    workspace.done.push("clone".to_owned());

    let edit = clone.edit_what_is_read();
    workspace.done.append(&mut clone.done);
    let dirty = published(shared, &clone);
    is_new(&clone, &dirty, last, &edit);
    assert!(dirty.is_dirty(), "{}", dirty.tag);
}

/// Two folders with one target directory, where cargo takes the later compile for both.
fn beside_a_clone(shared: &Shared, workspace: &mut Workspace, last: &Published) {
    let mut clone = workspace.clone_at("clone");
    clone.shared_target = Some(workspace.target());
    let edit = workspace.edit_what_is_read();
    let dirty = published(shared, workspace);
    is_new(workspace, &dirty, last, &edit);
    workspace.done.push("clone with the same target".to_owned());

    clone.edit_what_is_not_read();
    let sha = clone.commit();
    let same = published(shared, &clone);
    is_of(&clone, &same, &sha);
    // Not always the same digest: the path of a crate outside of the workspace's folder is in it.
    has_all(&clone, &same);
}

fn published(shared: &Shared, workspace: &Workspace) -> Published {
    Published::of(publish(shared, workspace, &["--allow-dirty"]))
}

/// The tag is the commit's, unless something is in no commit.
#[track_caller]
fn is_of(workspace: &Workspace, image: &Published, sha: &str) {
    assert_eq!(image.is_dirty(), workspace.always_dirty, "{}", image.tag);
    assert!(image.tag.starts_with(sha), "{} of {sha}", image.tag);
}

#[track_caller]
fn is_skipped(image: &Published, before: &Published) {
    assert!(image.skipped, "{}", image.stderr);
    assert_eq!(image.digest, before.digest, "{}", image.stderr);
}

#[track_caller]
fn is_new(workspace: &Workspace, image: &Published, before: &Published, edit: &Edit) {
    assert_ne!(image.digest, before.digest, "{}", image.stderr);
    assert_ne!(image.tag, before.tag, "{}", image.stderr);
    let texts = has_all(workspace, image);
    for gone in &edit.gone {
        let there = texts.contains(gone.as_str());
        assert!(!there, "{gone:?} is still there: {}", image.stderr);
    }
}

/// The texts of all that is read are in the image's binary. Returns all that are there.
#[track_caller]
fn has_all(workspace: &Workspace, image: &Published) -> BTreeSet<String> {
    let texts = Nonce::all_in(&image.layer());
    for piece in &workspace.pieces {
        let there = texts.contains(piece.nonce.as_str());
        assert!(there, "{piece:?} is not in {}: {}", image.tag, image.stderr);
    }
    texts
}
