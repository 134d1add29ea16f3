import tensorflow as tf

from spl_tf.report.markup import Html, element, joined, table


class MarkupTest(tf.test.TestCase):
    def test_text_is_escaped_and_markup_is_not(self):
        self.assertEqual(joined("<b>&", Html("<i>")), "&lt;b&gt;&amp;<i>")
        self.assertEqual(
            element("p", '<b>&"x', Html("<br>"), title='<b>&"x'),
            '<p title="&lt;b&gt;&amp;&quot;x">&lt;b&gt;&amp;"x<br></p>',
        )

    def test_attributes_take_their_html_names_and_none_is_left_out(self):
        made = element("td", class_="number", data_cell="1,2", aria_label=None, tabindex=0)
        self.assertEqual(made, '<td class="number" data-cell="1,2" tabindex="0"></td>')

    def test_elements_without_content_are_not_closed(self):
        self.assertEqual(element("img", alt=""), '<img alt="">')

    def test_a_table_names_its_rows_and_columns_for_those_who_cannot_see_it(self):
        made = table("t", "What", {"a": "A", "b": "B"}, [["x", "1"], ["y", Html("<i>2</i>")]])
        self.assertIn("<caption>What</caption>", made)
        self.assertIn('<th scope="col" class="number">B</th>', made)
        self.assertIn('<tr data-row="y"><th scope="row">y</th><td data-column="b" class="number"><i>2</i></td>', made)


if __name__ == "__main__":
    tf.test.main()
