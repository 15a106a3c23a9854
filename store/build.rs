//! A new migration must compile the crate anew.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
