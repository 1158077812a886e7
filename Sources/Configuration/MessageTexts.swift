/// The templates of a message, as they are written.
package struct MessageTexts: Sendable, Hashable {
  package var title: String?
  package var text: String?

  package init(title: String? = nil, text: String? = nil) {
    self.title = title
    self.text = text
  }

  /// Of an object that was checked already.
  init(_ node: JSONNode?) {
    self.init(title: node?["title"]?.string, text: node?["text"]?.string)
  }
}
