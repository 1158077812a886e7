import AWSProvider
import JobModel
import TestSupport
import Testing

@Suite("XML replies")
struct XMLTests {
  private func read(_ text: String) throws -> XMLNode { try XMLReader.read(Array(text.utf8)) }

  @Test("reads an EC2 reply")
  func reply() throws {
    let node = try read(
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <!-- by hand -->
      <DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
          <reservationSet>
              <item><instancesSet>
                  <item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>
                  <ebsOptimized>false</ebsOptimized><launchTime>2026-11-22T15:03:55.000Z</launchTime><ip/></item>
                  <item><instanceId>i-2 &amp; &#x1F600;&#10;<![CDATA[<b>&amp;]]></instanceId></item>
              </instancesSet></item>
          </reservationSet>
      </DescribeInstancesResponse>
      """)
    let instances = try #require(node.items("reservationSet").first).items("instancesSet")
    #expect(instances.count == 2)
    #expect(instances[0].text("instanceState/name") == "running")
    #expect(instances[0].integer("instanceState/code") == 16)
    #expect(instances[0].bool("ebsOptimized") == false)
    #expect(instances[0].date("launchTime")?.iso8601() == "2026-11-22T15:03:55Z")
    #expect(instances[0].text("ip") == nil)
    #expect(instances[0].text("none/at/all") == nil)
    #expect(instances[1].text("instanceId") == "i-2 & 😀\n<b>&amp;")
  }

  @Test("keeps the blanks of a text, and makes line ends what XML makes of them")
  func blanks() throws {
    #expect(try read("<a> x\r\ny\rz </a>").text == " x\ny\nz ")
    #expect(try read("<a>\n <b/> </a>").text == "")
    #expect(try read("<x:a y:b='>' c=\"'\"><x:d/></x:a>") == XMLNode("a", children: [XMLNode("d")]))
  }

  @Test(
    "refuses what is not well formed",
    arguments: [
      "", "   ", "text", "<a>", "<a></b>", "<a/><b/>", "<a/>text", "<a><b></a></b>", "<a b></a>", "<a b=c/>",
      "<a b='1' b='2'/>",
      "<a b='<'/>", "<a b='1'c='2'/>", "<1/>", "</a>", "<a>&nbsp;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>",
      "<a>&#-1;</a>",
      "<a>&amp</a>", "<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a><![CDATA[</a>", "<a><!-- </a>",
      "<?xml version='1.0' encoding='UTF-16'?><a/>", "<a>\u{1}</a>", "<x:a></y:a>", "<a", "<", "<a/",
      "<![CDATA[x]]><a/>",
    ])
  func malformed(_ text: String) {
    #expect(throws: XMLReader.Failure.self) { try read(text) }
  }

  @Test("refuses elements that are too deep, and text that is not UTF-8")
  func bounds() throws {
    let depth = XMLReader.depthLimit
    let fits = String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
    #expect(try read(fits).children.count == 1)
    #expect(throws: XMLReader.Failure.self) { try read("<a>" + fits + "</a>") }
    #expect(throws: XMLReader.Failure.self) { try XMLReader.read(Array("<a>".utf8) + [0xFF] + Array("</a>".utf8)) }
    #expect(throws: XMLReader.Failure.self) { try XMLReader.read([0xFF, 0xFE, 60, 0, 97, 0]) }
  }

  @Test("never crashes, whatever a reply is", arguments: 0..<8)
  func fuzz(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let pieces = [
      "<a>", "</a>", "<a/>", "<b c='d'>", "</b>", "&amp;", "&#x41;", "&#", ";", "<![CDATA[", "]]>", "<!--", "-->",
      "<?xml ", "?>",
      "x", " ", "\n", "é", "<!", "<", ">", "&", "\"", "'", "=", "a:b", "<Error><Code>", "</Code></Error>",
    ].map { Array($0.utf8) }
    var read = 0
    for _ in 0..<4000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0...24, using: &generator) {
        bytes += pieces.randomElement(using: &generator) ?? []
        if Int.random(in: 0..<12, using: &generator) == 0 { bytes.append(UInt8.random(in: 0...255, using: &generator)) }
      }
      if (try? XMLReader.read(bytes)) != nil { read += 1 }
      let whole = Array("<a>".utf8) + bytes + Array("</a>".utf8)
      if (try? XMLReader.read(whole)) != nil { read += 1 }
    }
    // Neither all nothing nor all everything, or the test would show little.
    #expect((1..<8000).contains(read))
  }
}
